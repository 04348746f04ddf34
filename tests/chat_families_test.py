"""Chats are read right in the templates of every family of models."""

import dataclasses

import pytest

from emojax import errors
from emojax.data import chats

USER = {'role': 'user', 'content': 'Is it late?'}
REPLY = {'role': 'assistant', 'content': 'It is noon.'}
AGAIN = {'role': 'user', 'content': 'And now?'}
LAST = {'role': 'assistant', 'content': 'Nearly one.'}
SYSTEM = {'role': 'system', 'content': 'Be brief.'}
BOS = '<|endoftext|>'
# Of our own, with what is odd in those of the families. Where theirs have two
# line ends before a reply, one: what this tokenizer makes of two depends on
# what follows.
ALTERNATE = (
    "{% for m in loop_messages %}{% if (m['role'] == 'user') != (loop.index0 %"
    " 2 == 0) %}{{ raise_exception('Roles must alternate.') }}{% endif %}"
)
LLAMA = (
    '{{- bos_token }}{%- if not date_string is defined %}'
    "{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}"
    "{%- if messages[0]['role'] == 'system' %}"
    "{%- set system = messages[0]['content'] | trim %}"
    '{%- set messages = messages[1:] %}'
    "{%- else %}{%- set system = '' %}{%- endif %}"
    "{{- '<file_sep>system<filename>\n\nToday: ' + date_string + '\n\n' }}"
    "{{- system + '<|im_end|>' }}"
    '{%- for m in messages %}'
    "{{- '<file_sep>' + m['role'] + '<filename>\n' }}"
    "{{- m['content'] | trim + '<|im_end|>' }}{%- endfor %}"
    '{%- if add_generation_prompt %}'
    "{{- '<file_sep>assistant<filename>\n' }}{%- endif %}"
)
# The instruction of the system goes into the last turn of the user.
MISTRAL = (
    "{%- if messages[0].role == 'system' %}"
    '{%- set system = messages[0].content %}'
    '{%- set loop_messages = messages[1:] %}'
    '{%- else %}{%- set loop_messages = messages %}{%- endif %}'
    f'{{{{- bos_token }}}}{ALTERNATE}'
    "{%- if m.role == 'user' %}{{- '<issue_start>' }}"
    "{%- if loop.last and system is defined %}{{- system + '\n\n' }}{% endif %}"
    "{{- m.content + '<issue_closed>' }}"
    "{%- else %}{{- ' ' + m.content | trim + eos_token }}{%- endif %}"
    '{%- endfor %}'
)
QWEN = (
    "{%- if messages[0]['role'] != 'system' %}"
    "{{- '<|im_start|>system\nYou help.<|im_end|>\n' }}{%- endif %}"
    '{%- for m in messages %}'
    "{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    '{%- endfor %}'
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    '{%- endif %}'
)
# Before the last reply, if it is there, the thoughts that the model had not.
THINKING = (
    '{%- set ns = namespace(asked=0) %}{%- for m in messages %}'
    "{%- if m.role == 'user' %}{%- set ns.asked = loop.index0 %}{%- endif %}"
    '{%- endfor %}{%- for m in messages %}'
    "{{- '<|im_start|>' + m.role + '\n' }}"
    "{%- if m.role == 'assistant' %}"
    "{%- set content = m.content.split('</think>')[-1].lstrip('\n') %}"
    '{%- if loop.index0 > ns.asked %}'
    "{{- '<think>\n</think>\n' }}{%- endif %}{{- content }}"
    "{%- else %}{{- m.content }}{%- endif %}{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
)
QWEN3 = THINKING + (
    '{%- if enable_thinking is defined and enable_thinking is false %}'
    "{{- '<think>\n</think>\n' }}{%- endif %}{%- endif %}"
)
QWEN3_2507 = THINKING + '{%- endif %}'
GEMMA2 = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('There is no role for the system.') }}{% endif %}"
    f'{{% set loop_messages = messages %}}{ALTERNATE}'
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<file_sep>' + role + '\n' + m['content'] | trim + '<|im_end|>\n' }}"
    '{% endfor %}'
    "{% if add_generation_prompt %}{{ '<file_sep>model\n' }}{% endif %}"
)
# The system message goes into the first turn of the user, as it is.
GEMMA3 = (
    "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' -%}"
    "{%- set prefix = messages[0]['content'] + '\n\n' -%}"
    '{%- set loop_messages = messages[1:] -%}{%- else -%}'
    "{%- set prefix = '' -%}{%- set loop_messages = messages -%}{%- endif -%}"
    f'{ALTERNATE}'
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<file_sep>' + role + '\n' + (prefix if loop.first else '') }}"
    "{%- if m['content'] is string -%}{{ m['content'] | trim }}"
    "{%- else -%}{{ raise_exception('No parts.') }}{%- endif -%}"
    "{{ '<|im_end|>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<file_sep>model\n' }}{%- endif -%}"
)
GENERATION = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    '<|im_start|>assistant\n'
    '{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}\n'
    '{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}'
    '{% endfor %}'
    '{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}'
)
# Template, whether it takes a system message, what asks for the reply.
FAMILIES = {
    'llama': (LLAMA, True, '<file_sep>assistant<filename>\n'),
    'mistral': (MISTRAL, True, '<issue_closed>'),
    'qwen2.5': (QWEN, True, '<|im_start|>assistant\n'),
    'qwen3': (QWEN3, True, '<|im_start|>assistant\n<think>\n</think>\n'),
    'qwen3_2507': (QWEN3_2507, True, '<|im_start|>assistant\n'),
    'gemma2': (GEMMA2, False, '<file_sep>model\n'),
    'gemma3': (GEMMA3, True, '<file_sep>model\n'),
    'generation': (GENERATION, True, '<|im_start|>assistant\n'),
}
of_every_family = pytest.mark.parametrize('family', FAMILIES)


def of_family(tokenizer, family):
  return dataclasses.replace(
      tokenizer,
      template=FAMILIES[family][0],
      bos=tokenizer.backend.token_to_id(BOS),
      special={'bos_token': BOS, 'eos_token': '<|im_end|>'},
  )


@of_every_family
def test_roles_cover_contents(tokenizer, family):
  told = [
      [USER],
      [USER, REPLY],
      [USER, REPLY, AGAIN],
      [USER, REPLY, AGAIN, LAST],
  ]
  if FAMILIES[family][1]:
    told += [[SYSTEM, USER], [SYSTEM, USER, REPLY, AGAIN]]
  for messages in told:
    chat = chats.encode_chat(of_family(tokenizer, family), messages)
    for index, message in enumerate(messages):
      at = [i for i, m in enumerate(chat.message) if m == index]
      # A token may begin with the template's space.
      assert ''.join(chat.pieces[i] for i in at).strip() == message['content']
      assert {chat.roles[i] for i in at} == {message['role']}


@of_every_family
def test_the_response_is_the_same_token_with_and_without_the_reply(
    tokenizer, family
):
  for messages in ([USER], [USER, REPLY, AGAIN]):
    other = of_family(tokenizer, family)
    without = chats.encode_chat(other, messages)
    with_reply = chats.encode_chat(other, [*messages, LAST])
    begun = chats.encode_chat(other, messages, 'Nearly')
    assert without.response == len(without.ids) - 1
    for chat in (with_reply, begun):
      assert chat.response == without.response
      assert chat.ids[: len(without.ids)] == without.ids
    assert without.roles[without.response] == 'template'


@of_every_family
def test_the_assistant_s_turn_is_what_asks_for_the_reply(tokenizer, family):
  other = of_family(tokenizer, family)
  for messages in ([USER], [USER, REPLY, AGAIN]):
    chat = chats.encode_chat(other, messages)
    assert ''.join(chat.pieces[chat.turn :]) == FAMILIES[family][2]
    with_reply = chats.encode_chat(other, [*messages, LAST])
    assert with_reply.turn == chat.turn


@of_every_family
def test_bos_is_once_at_the_beginning_or_not_at_all(tokenizer, family):
  other = of_family(tokenizer, family)
  ids = chats.encode_chat(other, [USER, REPLY, AGAIN]).ids
  assert ids.count(other.bos) == ('bos_token' in other.template)
  assert (ids[0] == other.bos) == ('bos_token' in other.template)


@pytest.mark.parametrize(
    'family, messages, reason',
    [
        ('gemma2', [SYSTEM, USER], 'fails: There is no role for the system.$'),
        ('gemma3', [USER, USER], 'fails: Roles must alternate.$'),
        # The system message would be in a turn that is not there.
        ('mistral', [SYSTEM, USER, REPLY], 'changes or drops messages'),
        (
            'qwen3',
            [USER, REPLY | {'content': '<think>No.</think>Yes.'}],
            'drops',
        ),
    ],
)
def test_messages_that_a_family_does_not_take_are_refused(
    tokenizer, family, messages, reason
):
  with pytest.raises(errors.InputError, match=reason):
    chats.encode_chat(of_family(tokenizer, family), messages)


def test_every_day_is_the_same(tokenizer):
  chat = chats.encode_chat(of_family(tokenizer, 'llama'), [USER])
  assert 'Today: 26 Jul 2024\n' in ''.join(chat.pieces)
