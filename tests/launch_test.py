"""The launchers of TPUs, on a cloud of the loopback.

With a stand-in for gcloud that takes what the real one was seen to take, and,
where gcloud is there, with that. EMOJAX_RECORD=1 writes the record anew.
"""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time

import fake_cloud
import fake_gcloud
import pytest

ROOT = pathlib.Path(__file__).parents[1]
TAKEN = pathlib.Path(__file__).parent / 'goldens' / 'launch_commands.txt'
GCLOUD, XPK = shutil.which('gcloud'), shutil.which('xpk')
SCRIPTS = sorted((ROOT / 'launch').glob('*.sh'))
NAME = """it's a "run"  of $HOME"""
CONFIG = 'configs/tiny.py'
CALLS = {  # Of every subcommand, without what is optional.
    'tpu_vm': {
        'create': (),
        'setup': (),
        'run': (CONFIG, '--config.seed=1'),
        'run --keep': (CONFIG,),
        'logs': (),
        'stop': (),
        'fetch': (CONFIG,),
        'delete': (),
    },
    'gke': {
        'create': (CONFIG,),
        'logs': (CONFIG,),
        'fetch': (CONFIG,),
        'delete': (CONFIG,),
    },
}
EVERY = [(name, verb) for name, verbs in CALLS.items() for verb in verbs]
SETTINGS = {
    'TPU_NAME': 'emo',
    'ZONE': 'us-west4-a',
    'ACCELERATOR': 'v5litepod-16',
    'BUCKET': 'bucket',
    'CLUSTER': 'cluster',
    'TPU_TYPE': 'tpu7x-128',
}
SSH = r"""#!/usr/bin/env bash
# Runs in the machine's folder what ssh would run on the machine.
while [[ "${1?only runs commands}" != *@127.* ]]; do shift; done
machine=$FAKE_MACHINES/${1#*@}
shift 2
cd "$machine" || exit 255
export HOME=$machine
exec bash -c "$*"
"""
SCP = r"""#!/usr/bin/env bash
to=${*: -1}
cd "$FAKE_MACHINES/${to#*@}" 2>/dev/null || cp "${*: -2:1}" \
  "$FAKE_MACHINES/$(sed -e 's/.*@//' -e 's/:/\//' <<<"$to")"
"""
# Ends each time as FAKE_PLAN says, a line a time; `wait`: when it is told to.
EMOJAX = r"""#!/usr/bin/env bash
log=$FAKE_RUNS/${HOME##*/}
printf '%q ' "$JAX_COMPILATION_CACHE_DIR" "$PWD" "$@" >>"$log"
echo >>"$log"
trap 'exit 75' TERM
status=$(sed -n "$(wc -l <"$log" | tr -d ' ')p" "$FAKE_PLAN")
while [[ "$status" == wait ]]; do sleep .05; done
exit "${status:-0}"
"""
# In the place of what takes minutes and the network.
INSTALLING = r"""
is_current() { [[ -f "$1/emojax.stamp" ]]; }
make_environment() {
  mkdir -p "$1/bin"
  cp "$FAKE_EMOJAX" "$1/bin/emojax"
  echo "$2${PYTHON:+ by $PYTHON}" >>"$1/installed"
}
install() { shift; echo "$*" >>"$venv/installed"; }
mark_current() { : >"$1/emojax.stamp"; }
"""


def _write(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text, encoding='utf-8')
  path.chmod(0o755)


def _until(condition, what, seconds=60):
  end = time.monotonic() + seconds
  while not condition():
    assert time.monotonic() < end, what
    time.sleep(0.02)


class Place:
  """A checkout, a cloud and the settings of a user."""

  def __init__(self, folder, checkout, cloud):
    self.cloud, self.checkout, self.folder = cloud, checkout, folder
    self.settings = SETTINGS | {'POLL_SECONDS': '0.05', 'TRIES': '3'}
    self.real = ''

  def environment(self):
    fakes = {
        'FAKE_URL': self.cloud.url,
        'FAKE_MACHINES': self.cloud.machines,
        'FAKE_RUNS': self.folder / 'runs',
        'FAKE_PLAN': self.folder / 'plan',
        'FAKE_EMOJAX': self.folder / 'emojax',
        'FAKE_CALLS': self.folder / 'calls',
        'FAKE_TAKEN': TAKEN,
        'FAKE_REAL': self.real,
    }
    google = {
        'CLOUDSDK_CONFIG': self.folder / 'gcloud',
        'CLOUDSDK_CORE_PROJECT': fake_cloud.PROJECT,
        'CLOUDSDK_CORE_DISABLE_PROMPTS': '1',
        'CLOUDSDK_CORE_DISABLE_USAGE_REPORTING': '1',
        'CLOUDSDK_AUTH_DISABLE_CREDENTIALS': '1',
        'CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK': '1',
        'CLOUDSDK_STORAGE_PROCESS_COUNT': '1',
        'CLOUDSDK_STORAGE_THREAD_COUNT': '1',
        'CLOUDSDK_API_ENDPOINT_OVERRIDES_TPU': f'{self.cloud.url}/',
        'CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE': (
            f'{self.cloud.url}/compute/v1/'
        ),
        'CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE': (
            f'{self.cloud.url}/storage/v1/'
        ),
    }
    own = {
        'HOME': self.folder / 'home',
        'TMPDIR': self.folder / 'tmp',
        'PATH': f'{self.folder / "bin"}:{os.environ["PATH"]}',
        'LC_ALL': 'C.UTF-8',
        'RESTART_SECONDS': '0.05',
        'GIT_CONFIG_GLOBAL': os.devnull,
    }
    everything = own | fakes | google | self.settings
    return {name: str(value) for name, value in everything.items()}

  def launch(self, *arguments, script='tpu_vm', status=0):
    with self.launching(*arguments, script=script) as process:
      stdout, stderr = process.communicate(timeout=100)
    assert process.returncode == status, stdout + stderr
    return subprocess.CompletedProcess((), status, stdout, stderr)

  @contextlib.contextmanager
  def launching(self, *arguments, script='tpu_vm'):
    """A launcher that goes on, which is ended at the end."""
    process = subprocess.Popen(
        ['bash', f'launch/{script}.sh', *arguments],
        cwd=self.checkout,
        env=self.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
      yield process
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
      process.communicate()

  def plan(self, *statuses):
    """How emojax will end: at the first start, at the second ..."""
    lines = ''.join(f'{status}\n' for status in statuses)
    (self.folder / 'plan').write_text(lines, encoding='utf-8')

  def runs(self, address='127.0.0.1'):
    """The arguments of each start of emojax on a machine."""
    log = self.folder / 'runs' / address
    text = log.read_text(encoding='utf-8') if log.exists() else ''
    return [shlex.split(line) for line in text.splitlines()]

  def wait_for_runs(self, count):
    for address in self.cloud.addresses:
      _until(
          lambda address=address: len(self.runs(address)) >= count,
          f'no {count} runs on {address}: {self.runs(address)}',
      )

  def machine(self, address='127.0.0.1'):
    return self.cloud.machines / address

  def state(self, address='127.0.0.1'):
    """What the worker says that it is doing."""
    done = subprocess.run(
        ['bash', 'emojax/launch/tpu_worker.sh', 'status'],
        cwd=self.machine(address),
        env=self.environment() | {'HOME': str(self.machine(address))},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()

  def wait_for_state(self, state):
    _until(lambda: self.state() == state, f'{self.state()}, not {state}')

  def calls(self):
    """The calls of gcloud, with their status, since `forget_calls`."""
    path = self.folder / 'calls'
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]

  def forget_calls(self):
    (self.folder / 'calls').unlink(missing_ok=True)


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
  """A repository with the launchers, whose installing takes no time."""
  folder = tmp_path_factory.mktemp('checkout') / 'emojax'
  (folder / 'configs').mkdir(parents=True)
  (folder / 'launch').mkdir()
  for path in SCRIPTS:
    shutil.copy(path, folder / 'launch')
  (folder / CONFIG).write_text('# A config.\n')
  with (folder / 'launch' / 'environment.sh').open('a') as file:
    file.write(INSTALLING)
  (folder / '.gitignore').write_text('ignored\n')
  git = ['git', '-c', 'user.name=n', '-c', 'user.email=e', '-C', str(folder)]
  environment = os.environ | {'GIT_CONFIG_GLOBAL': os.devnull}
  for arguments in (['init', '-q'], ['add', '.'], ['commit', '-qm', 'All.']):
    subprocess.run([*git, *arguments], check=True, env=environment)
  (folder / 'ignored').write_text('personal')
  (folder / 'untracked').write_text('personal')
  return folder


@pytest.fixture
def place(tmp_path, checkout):
  _write(tmp_path / 'bin' / 'ssh', SSH)
  _write(tmp_path / 'bin' / 'scp', SCP)
  _write(tmp_path / 'emojax', EMOJAX)
  program = f'exec {sys.executable} -S {fake_gcloud.__file__} "$@"'
  _write(tmp_path / 'bin' / 'gcloud', f'#!/bin/sh\n{program}\n')
  for name in ('home', 'tmp', 'runs', 'machines'):
    (tmp_path / name).mkdir()
  with fake_cloud.serve(fake_cloud.Cloud(tmp_path / 'machines')) as cloud:
    made = Place(tmp_path, checkout, cloud)
    made.plan()
    yield made


@pytest.fixture
def ready(place):
  """A place whose slice is created and set up."""
  place.launch('create')
  place.launch('setup')
  place.forget_calls()
  return place


def _shape(words):
  return f'{words[0]} {fake_gcloud.shape(words[1:])}'


def _printed(done):
  lines = done.stdout.splitlines()
  return [shlex.split(line) for line in lines if not line.startswith('#')]


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.stem)
def test_every_script_parses_and_has_its_first_line(path):
  subprocess.run(['bash', '-n', path], check=True)
  first = path.read_text(encoding='utf-8').splitlines()[0]
  sourced = path.stem in ('environment', 'commands')
  assert first.startswith('# ') if sourced else first == '#!/usr/bin/env bash'


@pytest.mark.skipif(not shutil.which('shellcheck'), reason='needs shellcheck')
def test_shellcheck_finds_nothing():
  subprocess.run(['shellcheck', '-x', *SCRIPTS], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ('script', 'verb', 'setting'),
    [
        ('tpu_vm', 'create', 'ACCELERATOR'),
        ('tpu_vm', 'run --keep', 'ACCELERATOR'),
        ('gke', 'create', 'TPU_TYPE'),
        *(
            ('tpu_vm', verb, setting)
            for verb in CALLS['tpu_vm']
            for setting in ('TPU_NAME', 'ZONE')
            if verb != 'fetch'
        ),
        *(
            ('gke', verb, setting)
            for verb in CALLS['gke']
            for setting in ('CLUSTER', 'ZONE')
            if verb != 'fetch'
        ),
        *(
            (script, verb, 'BUCKET')
            for script, verb in EVERY
            if verb.startswith(('run', 'fetch')) or script + verb == 'gkecreate'
        ),
    ],
)
def test_a_missing_setting_is_one_line_that_names_it(
    place, script, verb, setting
):
  del place.settings[setting]
  arguments = CALLS[script][verb]
  done = place.launch(*verb.split(), *arguments, script=script, status=2)
  assert done.stdout == '' and len(done.stderr.splitlines()) == 1
  assert re.search(rf'{setting}: set it to .', done.stderr)
  assert place.calls() == []


@pytest.mark.parametrize('script', CALLS)
@pytest.mark.parametrize('words', [(), ('destroy',), ('create setup',)])
def test_an_unknown_subcommand_gets_the_usage(place, script, words):
  done = place.launch(*words, script=script, status=2)
  assert f'bash launch/{script}.sh create' in done.stderr
  assert 'is no subcommand' in done.stderr.splitlines()[-1]
  assert '#' not in done.stderr and place.calls() == []


@pytest.mark.parametrize(('script', 'verb'), EVERY)
def test_a_dry_run_calls_nothing(place, script, verb):
  for name in ('gcloud', 'git', 'xpk', 'kubectl', 'ssh', 'scp', 'mktemp', 'rm'):
    _write(
        place.folder / 'bin' / name,
        f'#!/bin/sh\necho {name} >>{place.folder}/calls\nexit 9\n',
    )
  before = sorted(place.checkout.rglob('*'))
  arguments = (*verb.split(), *CALLS[script][verb], '--dry-run')
  done = place.launch(*arguments, script=script)
  assert done.stderr == '' and _printed(done)
  assert not (place.folder / 'calls').exists()
  assert sorted(place.checkout.rglob('*')) == before


def test_a_dry_run_prints_what_is_called(place):
  place.settings |= {'RUN_NAME': NAME, 'SPOT': '1'}
  place.cloud.objects[f'{NAME}/summary.json'] = b'{}'
  for verb, arguments in CALLS['tpu_vm'].items():
    if verb == 'logs':  # Goes on for ever.
      continue
    printed = _printed(place.launch(*verb.split(), *arguments, '--dry-run'))
    place.launch(*verb.split(), *arguments)
    called = [['gcloud', *call['arguments']] for call in place.calls()]
    place.forget_calls()
    if verb == 'setup':  # The archive lies where there is room.
      printed, called = ([map(_shape, x)] for x in (printed, called))
      continue
    mine = [words for words in printed if words[0] == 'gcloud']
    if verb == 'run --keep':  # It is set up already, and nothing is wrong.
      assert all(words in mine for words in called)
    else:
      assert [words for words in called if words not in mine] == []
      assert [words for words in mine if words not in called] == []


@pytest.mark.parametrize(
    ('accelerator', 'image'),
    [
        ('v4-32', 'tpu-ubuntu2204-base'),
        ('v5litepod-64', 'v2-alpha-tpuv5-lite'),
        ('v5p-128', 'v2-alpha-tpuv5'),
        ('v6e-256', 'v2-alpha-tpuv6e'),
    ],
)
def test_the_accelerator_decides_the_image(place, accelerator, image):
  place.settings['ACCELERATOR'] = accelerator
  assert f'-version={image}\n' in place.launch('create', '--dry-run').stdout
  place.settings['RUNTIME_VERSION'] = 'mine'
  assert '-version=mine\n' in place.launch('create', '--dry-run').stdout


@pytest.mark.parametrize(
    ('accelerator', 'advice'),
    [('tpu7x-128', 'launch/gke.sh'), ('h100-8', 'RUNTIME_VERSION')],
)
def test_an_accelerator_that_the_api_has_not_is_refused(
    place, accelerator, advice
):
  place.settings['ACCELERATOR'] = accelerator
  done = place.launch('create', status=2)
  assert advice in done.stderr and len(done.stderr.splitlines()) == 1
  assert place.calls() == []


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ((), 'name a config'),
        (('--config.seed=1',), 'name a config'),
        (('configs/none.py',), 'no config configs/none.py'),
        ((CONFIG, '--workdir=here'), 'RUN_NAME'),
        ((CONFIG, '-nodistributed'), 'leave it out'),
    ],
)
@pytest.mark.parametrize(
    ('script', 'verb'), [('tpu_vm', 'run'), ('gke', 'create')]
)
def test_a_run_that_must_fail_is_refused_here(
    place, script, verb, arguments, words
):
  done = place.launch(verb, *arguments, script=script, status=2)
  assert words in done.stderr and len(done.stderr.splitlines()) == 1
  assert place.calls() == []


@pytest.mark.parametrize(
    'name', ['a*', 'a?', 'a[0]', 'a#1', 'a/', '/a', 'a\nb']
)
def test_a_name_that_storage_takes_for_a_pattern_is_refused(place, name):
  place.settings['RUN_NAME'] = name
  for verb in ('run', 'fetch'):
    assert 'RUN_NAME=' in place.launch(verb, CONFIG, status=2).stderr


def test_create_waits_for_the_slice_and_asks_once(place):
  place.cloud.states = ['WAITING_FOR_RESOURCES', 'PROVISIONING', 'ACTIVE']
  place.settings['SPOT'] = '1'
  place.launch('create')
  place.launch('create')
  (body,) = place.cloud.bodies
  (spec,) = body['tpu']['nodeSpec']
  assert spec['nodeId'] == 'emo' and 'spot' in body
  assert spec['node']['acceleratorType'] == 'v5litepod-16'
  assert place.machine().is_dir()


def test_more_flags_reach_gcloud(place):
  place.settings |= {'CREATE_FLAGS': '--reserved --network=n', 'SPOT': '0'}
  assert _printed(place.launch('create', '--dry-run'))[1][-2:] == [
      '--reserved',
      '--network=n',
  ]
  place.settings['SSH_FLAGS'] = '--internal-ip'
  for words in _printed(place.launch('setup', '--dry-run')):
    assert words[0] != 'gcloud' or words[-1] == '--internal-ip'


def test_a_slice_that_cannot_be_had_ends_create(place):
  place.cloud.states = ['WAITING_FOR_RESOURCES', 'FAILED']
  assert 'cannot be had' in place.launch('create', status=1).stderr
  # An earlier failure is cleared away.
  place.cloud.states = ['ACTIVE']
  place.launch('create')
  assert place.cloud.deleted == ['emo'] and len(place.cloud.bodies) == 2


def test_create_waits_only_so_long(place):
  place.cloud.states = ['WAITING_FOR_RESOURCES']
  place.settings['WAIT_SECONDS'] = '0'
  assert 'still ' in place.launch('create', status=1).stderr


def test_a_cloud_that_does_not_answer_ends_every_subcommand(place):
  _write(place.folder / 'bin' / 'gcloud', '#!/bin/sh\nexit 1\n')
  for verb, status in {'create': 1, 'setup': 1, 'delete': 1, 'logs': 1}.items():
    place.launch(verb, status=status)
  assert 'run --keep' in place.launch('run', CONFIG, status=1).stderr
  done = place.launch('run', '--keep', CONFIG, status=1)
  assert '3 things in a row' in done.stderr


def test_deleting_twice_succeeds(ready):
  ready.launch('delete')
  done = ready.launch('delete')
  assert 'there is no emo' in done.stderr
  assert ready.cloud.deleted == ['emo']


def test_setup_copies_what_is_committed_and_nothing_else(ready):
  for address in ready.cloud.addresses:
    names = {
        path.name for path in (ready.machine(address) / 'emojax').iterdir()
    }
    assert names == {'.gitignore', 'configs', 'launch'}
  stale = ready.machine() / 'emojax' / 'stale.py'
  stale.touch()
  ready.launch('setup')
  assert not stale.exists()
  assert list((ready.folder / 'tmp').iterdir()) == []


def test_setup_installs_the_lock_and_then_the_extras_under_it(ready):
  ready.launch('setup')  # The second time has nothing to install.
  installed = ready.machine() / 'emojax-run' / 'venv' / 'installed'
  root = ready.machine() / 'emojax'
  assert installed.read_text().splitlines() == [
      'requirements.txt',
      f'--requirement {root}/launch/requirements.txt'
      f' --editable {root}[tpu,gcs]',
  ]


def test_a_machine_whose_python_will_not_do_gets_one(place):
  place.launch('create')
  place.settings['PYTHON'] = 'none'
  uv = '#!/bin/sh\\necho "$3" >>$HOME/asked\\necho /new/python\\n'
  _write(
      place.folder / 'bin' / 'python3',
      f'#!/bin/sh\nmkdir -p "$6/bin"\nprintf \'{uv}\' >"$6/bin/uv"\n'
      'chmod +x "$6/bin/uv"\n',
  )
  place.launch('setup')
  installed = place.machine() / 'emojax-run' / 'venv' / 'installed'
  assert installed.read_text().startswith('requirements.txt by /new/python\n')
  asked = (place.machine() / 'asked').read_text().splitlines()
  assert asked == ['>=3.12', '--managed-python']


def test_what_stands_in_for_installing_has_the_real_names():
  real = (ROOT / 'launch' / 'environment.sh').read_text(encoding='utf-8')
  names = re.findall(r'^(\w+)\(\) \{', INSTALLING, re.MULTILINE)
  assert len(names) == 4
  for name in names:
    assert re.search(rf'^{name}\(\) {{', real, re.MULTILINE), name


def test_a_token_is_copied_if_it_is_named_and_nobody_else_can_read_it(place):
  token = place.machine() / '.cache' / 'huggingface' / 'token'
  place.launch('create')
  place.launch('setup')
  assert not token.exists()
  own = place.folder / 'own'
  own.write_text('hf_secret')
  place.settings['HF_TOKEN_PATH'] = str(own)
  done = place.launch('setup')
  assert token.read_text() == 'hf_secret'
  assert stat.S_IMODE(token.stat().st_mode) == 0o600
  assert 'hf_secret' not in done.stdout + done.stderr


def test_words_with_spaces_and_quotes_arrive_as_they_are(ready):
  ready.settings |= {'RUN_NAME': NAME, 'BUCKET': 'gs://bucket/a folder/'}
  flag = """--config.prompt=Don't  "stop" `now`; $(exit) & \\ *"""
  ready.launch('run', CONFIG, flag)
  ready.wait_for_runs(1)
  for address in ready.cloud.addresses:
    assert ready.runs(address) == [
        [
            'gs://bucket/a folder/jax_cache',
            str(ready.machine(address) / 'emojax'),
            f'--config={CONFIG}',
            f'--workdir=gs://bucket/a folder/{NAME}',
            '--distributed',
            flag,
        ]
    ]


def test_the_config_names_the_run(place):
  done = place.launch('run', f'{CONFIG}:big', '--dry-run')
  assert '--workdir=gs://bucket/tiny --' in done.stdout


def test_status_75_starts_again_and_no_other_does(ready):
  ready.plan(75, 75, 3, 0)
  ready.launch('run', CONFIG)
  ready.wait_for_state('failed 3')
  time.sleep(0.3)
  assert len(ready.runs()) == 3
  assert ready.runs()[0] == ready.runs()[2]
  log = (ready.machine() / 'emojax-run' / 'log').read_text()
  assert log.count('has saved') == 2 and 'ended with 3' in log


def test_a_run_starts_once_however_often_it_is_asked_for(ready):
  ready.plan('wait')
  ready.launch('run', CONFIG)
  ready.wait_for_runs(1)
  assert 'running already' in ready.launch('run', CONFIG).stderr
  done = ready.launch('run', CONFIG, '--config.seed=2', status=1)
  assert 'another run is going on' in done.stderr
  assert len(ready.runs()) == 1


def test_setup_leaves_a_run_alone(ready):
  ready.plan('wait')
  ready.launch('run', CONFIG)
  kept = ready.machine() / 'emojax' / 'kept'
  kept.touch()
  assert 'stop it first' in ready.launch('setup', status=1).stderr
  assert kept.exists() and ready.state() == 'running'


def test_stop_saves_and_ends_and_run_goes_on(ready):
  ready.plan('wait', 0)
  ready.launch('run', CONFIG)
  ready.wait_for_runs(1)
  ready.launch('stop')
  ready.wait_for_state('stopped')
  assert 'ended with 75' in (ready.machine() / 'emojax-run' / 'log').read_text()
  assert 'nothing is running' in ready.launch('stop').stderr
  ready.launch('run', CONFIG)
  ready.wait_for_state('finished')
  assert ready.runs()[0] == ready.runs()[1]


def test_run_without_setup_says_what_comes_first(place):
  place.launch('create')
  assert 'setup come first' in place.launch('run', CONFIG, status=1).stderr


def test_logs_follow_the_worker_that_is_named(ready):
  for address in ready.cloud.addresses:
    (ready.machine(address) / 'emojax-run' / 'log').write_text(f'{address}\n')
  for words, address in {(): '127.0.0.1', ('1',): '127.0.0.2'}.items():
    with ready.launching('logs', *words) as process:
      assert process.stdout.readline() == f'{address}\n'


def test_fetch_copies_the_workdir(place):
  place.settings['RUN_NAME'] = NAME
  place.cloud.objects = {
      f'{NAME}/summary.json': b'{}',
      f'{NAME}/chunks/a b.bin': bytes(range(256)),
      'other/summary.json': b'no',
  }
  folder = place.folder / 'fetched'
  place.launch('fetch', CONFIG, str(folder))
  files = {
      path.relative_to(folder).as_posix(): path.read_bytes()
      for path in folder.rglob('*')
      if path.is_file()
  }
  assert files == {
      'summary.json': b'{}',
      'chunks/a b.bin': bytes(range(256)),
  }


def _see_a_run_through_a_preemption(place):
  place.settings |= {'RUN_NAME': NAME, 'SPOT': '1'}
  place.plan('wait', 0)
  with place.launching('run', '--keep', CONFIG, '--config.seed=1') as process:
    place.wait_for_runs(1)
    place.cloud.preempt()
    _, output = process.communicate(timeout=100)
  assert process.returncode == 0, output
  assert 'the run is finished' in output
  assert place.cloud.deleted == ['emo']
  first, second = place.cloud.bodies
  assert first == second
  for address in place.cloud.addresses:
    runs = place.runs(address)
    assert len(runs) == 2 and runs[0] == runs[1]
    assert f'--workdir=gs://bucket/{NAME}' in runs[0]


def test_a_preempted_slice_is_made_again_and_the_run_goes_on(place):
  _see_a_run_through_a_preemption(place)


def test_a_slice_whose_machines_are_gone_is_made_again(ready):
  ready.plan('wait', 0)
  with ready.launching('run', '--keep', CONFIG) as process:
    ready.wait_for_runs(1)
    node = next(iter(ready.cloud._nodes.values()))
    ready.cloud.end_machines()
    node['state'] = 'PREEMPTED'  # The queued resource is ACTIVE still.
    _, output = process.communicate(timeout=100)
  assert process.returncode == 0, output
  assert len(ready.cloud.bodies) == 2 and len(ready.runs()) == 2


def test_a_machine_that_was_restarted_goes_on(ready):
  ready.plan('wait', 0)
  with ready.launching('run', '--keep', CONFIG) as process:
    ready.wait_for_runs(1)
    for address in ready.cloud.addresses:
      pid = int((ready.machine(address) / 'emojax-run' / 'pid').read_text())
      os.killpg(pid, 9)
    _, output = process.communicate(timeout=100)
  assert process.returncode == 0, output
  assert len(ready.cloud.bodies) == 1 and len(ready.runs()) == 2


def test_keeping_takes_over_a_run_that_goes_on(ready):
  ready.plan('wait')
  ready.launch('run', CONFIG)
  ready.wait_for_runs(1)
  before = len(ready.calls())
  with ready.launching('run', '--keep', CONFIG) as process:
    _until(lambda: len(ready.calls()) > before + 4, 'it does not look')
    ready.launch('stop')
    _, output = process.communicate(timeout=100)
  assert process.returncode == 75 and 'was stopped' in output
  assert len(ready.runs()) == 1


def test_keeping_ends_with_the_status_of_the_run(ready):
  ready.plan(0, 3)
  done = ready.launch('run', '--keep', CONFIG)
  assert 'fetch it' in done.stderr
  # What an earlier run left behind does not count.
  done = ready.launch('run', '--keep', CONFIG, status=3)
  assert 'ended with 3' in done.stdout and len(ready.runs()) == 2


# With the real gcloud, where it is.


@pytest.fixture
def gcloud(place):
  if not GCLOUD:
    pytest.skip('needs gcloud')
  place.real = GCLOUD
  return place


def _taken(program):
  lines = TAKEN.read_text(encoding='utf-8').splitlines()
  return {line for line in lines if line.startswith(f'{program} ')}


def _record(program, seen):
  """With EMOJAX_RECORD=1, writes down what a program was seen to take."""
  if os.environ.get('EMOJAX_RECORD') == '1':
    lines = TAKEN.read_text(encoding='utf-8').splitlines()
    kept = {line for line in lines if not line.startswith(f'{program} ')}
    TAKEN.write_text('\n'.join(sorted(kept | seen)) + '\n', encoding='utf-8')


def test_gcloud_takes_what_is_on_record_and_a_run_to_its_end(gcloud):
  _see_a_run_through_a_preemption(gcloud)
  gcloud.cloud.objects[f'{NAME}/summary.json'] = b'{}'
  folder = gcloud.folder / 'fetched'
  gcloud.launch('fetch', CONFIG, str(folder))
  assert (folder / 'summary.json').read_bytes() == b'{}'
  # Workers that say nothing have it look at the machines.
  gcloud.settings['TRIES'] = '1'
  for address in gcloud.cloud.addresses:
    script = gcloud.machine(address) / 'emojax' / 'launch' / 'tpu_worker.sh'
    script.write_text('exit 1')
  gcloud.launch('run', '--keep', CONFIG, status=1)
  for _ in range(2):
    gcloud.launch('delete')
  gcloud.settings |= {'SPOT': '', 'WAIT_SECONDS': '0'}
  gcloud.cloud.states = ['WAITING_FOR_RESOURCES']
  gcloud.launch('create', status=1)
  calls = gcloud.calls()
  assert {call['status'] for call in calls} <= {0, 1}  # 2: it is not a call.
  seen = {_shape(['gcloud', *call['arguments']]) for call in calls}
  _record('gcloud', seen)
  assert seen == _taken('gcloud')


@pytest.mark.parametrize('real', [False, pytest.param(True, id='gcloud')])
def test_a_flag_that_gcloud_has_not_is_refused(place, request, real):
  if real:
    request.getfixturevalue('gcloud')
  place.settings['CREATE_FLAGS'] = '--on-the-cheap'
  place.launch('create', status=1)
  assert [call['status'] for call in place.calls()] == [0, 2]


def test_gcloud_would_ask_every_worker_in_the_same_words(ready):
  if not GCLOUD:
    pytest.skip('needs gcloud')
  ready.settings['RUN_NAME'] = NAME
  printed = _printed(ready.launch('run', CONFIG, '--dry-run'))
  printed += _printed(ready.launch('setup', '--dry-run'))[1:2]
  printed += _printed(ready.launch('logs', '--dry-run'))
  ends = (
      f'-- {printed[0][-1].removeprefix("--command=")}',
      ':emojax.tar.gz',
      '-- tail -n 100 -F emojax-run/log',
  )
  for words, end, workers in zip(printed, ends, (2, 2, 1), strict=True):
    assert words[:4] == ['gcloud', 'compute', 'tpus', 'tpu-vm']
    done = subprocess.run(
        [GCLOUD, *words[1:], '--dry-run'],
        env=ready.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if '@127.' in line]
    assert len(lines) == workers, done
    for line, address in zip(lines, ready.cloud.addresses, strict=False):
      assert f'@{address}' in line and line.endswith(end)


# GKE.


def _container_command(place, *arguments):
  """What gke.sh would have xpk run in each container."""
  done = place.launch('create', *arguments, '--dry-run', script='gke')
  (words,) = [words for words in _printed(done) if words[0] == 'xpk']
  (command,) = [word for word in words if word.startswith('--command=')]
  return words, command.removeprefix('--command=')


def test_xpk_calls_are_on_record(place):
  seen = set()
  for image in ('', 'image'):
    place.settings['DOCKER_IMAGE'] = image
    seen.add(_shape(_container_command(place, CONFIG)[0]))
  done = place.launch('delete', CONFIG, '--dry-run', script='gke')
  seen |= {_shape(words) for words in _printed(done)}
  if XPK:  # The next test has it take them.
    _record('xpk', seen)
  assert seen == _taken('xpk')


@pytest.mark.skipif(not XPK, reason='needs xpk, in any environment')
@pytest.mark.parametrize(
    ('tpu', 'selector', 'image'),
    [('tpu7x-128', 'tpu7x', ''), ('v6e-16', 'tpu-v6e-slice', 'image')],
)
def test_xpk_makes_a_jobset_that_goes_on_after_75(place, tpu, selector, image):
  place.settings |= {
      'RUN_NAME': NAME,
      'TPU_TYPE': tpu,
      'DOCKER_IMAGE': image,
      'GRACE_SECONDS': '77',
  }
  words, command = _container_command(place, CONFIG)
  (place.folder / 'tmp' / 'emojax-checkout').mkdir()
  manifest = place.folder / 'manifest.yaml'
  dry = ['--dry-run', '--skip-validation', '--project=p']
  dry.append(f'--output-manifest-file={manifest}')
  delete = _printed(place.launch('delete', CONFIG, '--dry-run', script='gke'))
  for call, more in ((words, dry), (delete[0], dry[:3])):
    done = subprocess.run(
        [*call, *more],
        cwd=place.folder,
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
  text = manifest.read_text(encoding='utf-8')
  assert f'gke-tpu-accelerator: {selector}\n' in text
  assert f'({command})' in text
  assert 'maxRestarts: 100\n' in text
  assert 'terminationGracePeriodSeconds: 77\n' in text
  (codes,) = re.findall(r'values: \[([\d,]+)\]', text)
  assert {'75', '143'} <= set(codes.split(','))
  assert not {'0', '1', '2'} & set(codes.split(','))


def test_xpk_gets_what_is_committed_and_nothing_else(place):
  seen = place.folder / 'seen'
  _write(
      place.folder / 'bin' / 'xpk',
      '#!/bin/sh\nfor word; do case $word in --script-dir=*)\n'
      f'  cp -R "${{word#*=}}" {seen};; esac; done\nexit 7\n',
  )
  place.launch('create', CONFIG, script='gke', status=7)
  names = {path.name for path in seen.iterdir()}
  assert names == {'.gitignore', 'configs', 'launch'}
  assert list((place.folder / 'tmp').iterdir()) == []


@pytest.mark.parametrize('image', ['', 'image'])
def test_a_container_becomes_emojax(place, image):
  place.settings |= {'RUN_NAME': NAME, 'DOCKER_IMAGE': image}
  place.plan('wait')
  machine = place.machine()
  machine.mkdir()
  shutil.copy(place.folder / 'emojax', place.folder / 'bin')
  _, command = _container_command(place, CONFIG, '--config.note=a "b"')
  process = subprocess.Popen(
      ['bash', '-c', f'({command}) & wait $!'],
      cwd=place.checkout,
      env=place.environment() | {'HOME': str(machine)},
      start_new_session=True,
      stderr=subprocess.DEVNULL,
  )
  try:
    _until(place.runs, 'it does not start')
    os.killpg(process.pid, 15)
    process.wait(timeout=60)
  finally:
    with contextlib.suppress(ProcessLookupError):
      os.killpg(process.pid, 9)
  assert place.runs() == [
      [
          'gs://bucket/jax_cache',
          str(place.checkout),
          f'--config={CONFIG}',
          f'--workdir=gs://bucket/{NAME}',
          '--distributed',
          '--config.note=a "b"',
      ]
  ]


@pytest.mark.parametrize(
    ('run', 'name'),
    [
        ('Gemma3_27B', 'emojax-gemma3-27b'),
        (NAME, 'emojax-it-s-a-run-of-home'),
        ('x' * 60, 'emojax-' + 'x' * 33),
        ('é' * 60, 'emojax'),
    ],
)
def test_a_workload_has_a_name_that_kubernetes_takes(place, run, name):
  place.settings['RUN_NAME'] = run
  done = place.launch('delete', CONFIG, '--dry-run', script='gke')
  assert f'--workload={name} ' in done.stdout
  place.settings['WORKLOAD'] = 'mine'
  done = place.launch('logs', CONFIG, '--dry-run', script='gke')
  assert 'workload=mine,' in done.stdout


def test_without_xpk_it_says_how_to_get_it(place):
  place.settings['PATH'] = f'{place.folder / "bin"}:/usr/bin:/bin'
  done = place.launch('create', CONFIG, script='gke', status=2)
  assert 'pip install xpk' in done.stderr
