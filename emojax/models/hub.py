"""Fetches models from the Hugging Face hub."""

import pathlib
import re

from emojax import errors
from emojax.models import folders

REPOSITORY = r'[\w.-]+/[\w.-]+'
# Other formats of the same weights lie in subfolders or under this name.
_IGNORED = ('*/*', 'consolidated*.safetensors')


def fetch(uri: str, name: str) -> pathlib.Path:
  """Returns the folder of a model, fetched unless it is in the hub's cache.

  Args:
    uri: as the user gave it, for messages.
    name: ORGANISATION/NAME or ORGANISATION/NAME@REVISION.

  Raises:
    InputError: no such model, no network, or files that do not do.
  """
  repository, _, revision = name.partition('@')
  if not re.fullmatch(rf'{REPOSITORY}(@[\w./-]+)?', name):
    raise errors.InputError(
        f'{uri}: not of the form hf:ORGANISATION/NAME[@REVISION], such as'
        ' hf:Qwen/Qwen3-0.6B.'
    )
  # Here, because most runs need no hub and the import takes a while.
  import huggingface_hub
  from huggingface_hub import errors as hub_errors

  try:
    folder = huggingface_hub.snapshot_download(
        repository,
        revision=revision or None,
        allow_patterns=list(folders.FILES),
        ignore_patterns=list(_IGNORED),
    )
  except hub_errors.GatedRepoError as error:
    raise errors.InputError(
        f'{uri}: the hub wants its terms accepted first: accept them on the'
        " model's page, log in with `hf auth login` and try again."
    ) from error
  except hub_errors.RepositoryNotFoundError as error:
    raise errors.InputError(
        f'{uri}: the hub has no such model, or it is private: check the name,'
        ' or log in with `hf auth login`.'
    ) from error
  except hub_errors.RevisionNotFoundError as error:
    raise errors.InputError(
        f'{uri}: {repository} has no revision {revision!r}; give a'
        ' branch, a tag or a commit of it, or none.'
    ) from error
  except (OSError, ValueError, hub_errors.HTTPError) as error:
    reason = str(error).strip().split('\n')[0]
    raise errors.InputError(
        f'{uri}: the hub could not be reached, and the model is not in its'
        f' cache ({type(error).__name__}: {reason}). To go on without, copy'
        " the model's folder here from another machine and give its path."
    ) from error
  folders.check(pathlib.Path(folder), uri)
  return pathlib.Path(folder)
