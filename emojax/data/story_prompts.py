"""What a model is asked for when it writes its own corpus.

A `Request` is one completion: stories of one emotion, neutral dialogues, or
dialogues in which the person feels one emotion and the assistant another, as in
section 1.1 of the paper. There are several wordings of each, so that a corpus
does not hang on one. All is said in the user's message, since some models have
no system role.
"""

import dataclasses
import functools
import importlib.resources

from emojax import errors
from emojax.data import rows

# Kind of piece -> how many emotions it has.
KINDS = {'story': 1, 'neutral': 0, 'dialogue': 2}
# Kind -> the line that comes before each of several pieces.
TAGS = {'story': '[story]', 'neutral': '[dialogue]', 'dialogue': '[dialogue]'}


@dataclasses.dataclass(frozen=True)
class Prompt:
  """A wording for several pieces, and one for a single piece.

  The second is for very small models: short sentences, no tags. A single story
  cannot mix narrators, so there the wordings do.
  """

  several: str
  single: str


# The fields are {count}, {topic}, {tag} and, of emotions, {first} and {second}.
PROMPTS = {
    'story-1': Prompt(
        several="""\
Write {count} different stories of one paragraph each, all on this topic: \
{topic}

In each of them we follow one character, who feels {first}. A reader must be \
able to tell, but neither the word "{first}" nor any form of it may appear, \
nor a word that means the same. Let it come out in what the character does, \
says and thinks, in what the body does, and in what is going on.

Each story begins anew, with other people and other events, and none continues \
another. Vary the first sentences and the way you tell them. Use "I" in some \
of the stories, and "he" or "she" in the others. A story has about 120 words.

Before every story write this tag on a line of its own:
{tag}
Write only tags and stories.""",
        single="""\
Write a very short story, one paragraph of about 120 words. The topic is \
{topic}. The main character feels {first}. Tell it with "he" or "she". Show \
what the character does, says and thinks. Do not use the word "{first}" or a \
word that means the same. Write only the story.""",
    ),
    'story-2': Prompt(
        several="""\
Topic: {topic}
Emotion: {first}
Stories: {count}

For this topic, write that many separate scenes from ordinary lives. Each is a \
single paragraph of 100 to 150 words, and its main character has this emotion \
from the first sentence to the last.

1. Never name the emotion. Leave out "{first}", every word made from it and \
every close synonym.
2. Make it plain all the same: by acts, gestures, breath and voice, by talk, \
by thoughts, and by the situation itself.
3. No scene shares its people, its plot or its opening words with another.
4. Some scenes are told by the character, in the first person, and some about \
the character, in the third person.
5. The line {tag} stands alone above each scene. There is nothing else: no \
titles, no numbers, no remarks.""",
        single="""\
Imagine that you are someone who feels {first}. Tell what happens to you, with \
"I", in one paragraph of about 120 words. It has to do with {topic}. Let us \
see it from what you do, what you say and how your body reacts. Never write \
"{first}" or a synonym of it. Begin at once, without a title.""",
    ),
    'story-3': Prompt(
        several="""\
I am collecting short fiction about "{topic}" and need {count} separate \
pieces. The person at the heart of each piece feels {first}. Please have this \
shown and never said: posture, hands and face, a line of speech, a passing \
thought, what just happened. I shall reject a piece with the word \
"{first}", with any of its forms, or with a direct synonym.

Form: one paragraph a piece, around 120 words; a different cast, place and \
course of events each time; different openings and rhythms; about half of the \
pieces in the first person, the rest in the third.

Layout: a line with only {tag} and then the piece, {count} times. Leave out \
introductions, headings and closing words.""",
        single="""\
Topic: {topic}
Emotion: {first}

Write one paragraph of fiction, about 120 words long, about a person with \
this emotion. The reader should guess the emotion from actions, speech and \
thoughts. The word "{first}" and its synonyms are forbidden. Reply with the \
paragraph and nothing else.""",
    ),
    'neutral-1': Prompt(
        several="""\
Write {count} different dialogues between a person and an AI assistant, all on \
this topic: {topic}

The person speaks first and the assistant speaks last. A dialogue has between \
1 and 6 questions, each with its answer. Let them differ: some about code, \
some about facts, some about office work, some about how a thing is done, \
and some ask for a plain text such as a notice or a description.

Nobody shows or mentions a feeling. There are no greetings, thanks, apologies \
or compliments. The language is matter-of-fact.

Before every dialogue write this tag on a line of its own:
{tag}
Begin what the person says with "Person:" and what the assistant says with \
"AI:". Write only tags and dialogues.""",
        single="""\
Write a short dialogue between a person and an AI assistant. The topic is \
{topic}. The person asks a factual question. The assistant gives a plain \
answer of about 80 words. No feelings, no greetings, no thanks. Begin the \
question with "Person:" and the answer with "AI:". Write only the dialogue.""",
    ),
    'neutral-2': Prompt(
        several="""\
Topic: {topic}
Dialogues: {count}

Record that many separate exchanges in which a person gets something done \
with the help of an AI assistant: a calculation, a program, a fact, a list, a \
set of steps, a piece of business writing, a neutral description.

1. Turns start with "Person:" or "AI:" and alternate. "Person:" is the first \
turn, "AI:" is the last, and there are 2 to 12 turns.
2. Both sides keep to the subject. No emotion is expressed or talked about.
3. No small talk: nobody greets, thanks, praises or apologises.
4. No two dialogues ask for the same thing.
5. The line {tag} stands alone above each dialogue, and there is nothing \
else around them.""",
        single="""\
A person needs instructions that have to do with {topic}. An AI assistant \
gives them. Write what the two say, the person first, in dry and exact \
language, without emotion and without polite phrases. The lines of the person \
start with "Person:" and those of the assistant with "AI:". About 100 words.""",
    ),
    'dialogue-1': Prompt(
        several="""\
Write {count} different dialogues between a person and an assistant, all on \
this topic: {topic}

In each of them the person feels {first} and the assistant feels {second}. \
Each keeps that emotion in every turn, and their choice of words and their \
tone give it away. Nobody names it: leave out "{first}", "{second}", all forms \
of these words and their synonyms.

The person speaks first, the assistant last, and each speaks 6 to 10 times. \
Each dialogue begins anew, with another person and another situation.

Before every dialogue write this tag on a line of its own:
{tag}
Begin what the person says with "Person:" and what the assistant says with \
"Assistant:". Write only tags and dialogues.""",
        single="""\
Write a dialogue between a person and an assistant. The topic is {topic}. The \
person feels {first}. The assistant feels {second}. We can hear it in all that \
they say, but they never use the words "{first}" and "{second}" or words that \
mean the same. Begin what they say with "Person:" and "Assistant:", in turns. \
Each speaks 6 times.""",
    ),
    'dialogue-2': Prompt(
        several="""\
Topic: {topic}
Emotion of the person: {first}
Emotion of the assistant: {second}
Dialogues: {count}

Write that many separate dialogues in which these two talk.

1. Turns start with "Person:" or "Assistant:" and alternate. "Person:" is the \
first turn, "Assistant:" is the last, and there are 12 to 20 turns.
2. A reader who sees any single turn should be able to say what its speaker \
feels, from wording and tone alone.
3. Neither speaker takes on what the other feels, and neither puts it into a \
word: "{first}", "{second}", their forms and their synonyms are forbidden.
4. No dialogue continues or repeats another.
5. The line {tag} stands alone above each dialogue, and there is nothing \
else around them.""",
        single="""\
A person who feels {first} talks with an assistant who feels {second}. It has \
to do with {topic}. Write down what they say, 12 turns, the person first. \
Start the turns with "Person:" and "Assistant:". Their tone shows what each of \
them feels. Nobody says "{first}" or "{second}", or a synonym.""",
    ),
}


@dataclasses.dataclass(frozen=True)
class Request:
  """One completion to ask for.

  Attributes:
    prompt_id: a key of `PROMPTS`; what is before its hyphen is the kind.
    emotions: none, the story's, or the person's and then the assistant's.
    topic: what the pieces are about.
    count: how many pieces.
  """

  prompt_id: str
  emotions: tuple[str, ...]
  topic: str
  count: int

  def __post_init__(self):
    if self.prompt_id not in PROMPTS:
      raise errors.InputError(
          f'There is no prompt {self.prompt_id!r}; choose among'
          f' {", ".join(PROMPTS)}.'
      )
    expected = KINDS[self.kind]
    if len(self.emotions) != expected:
      raise errors.InputError(
          f'The prompt {self.prompt_id!r} is given {len(self.emotions)}'
          f' emotion(s); give it {expected}.'
      )
    if self.count < 1:
      raise errors.InputError(
          f'A completion of {self.count} pieces; ask for 1 or more.'
      )

  @property
  def kind(self) -> str:
    return self.prompt_id.split('-')[0]

  @property
  def tag(self) -> str:
    return TAGS[self.kind]


def messages(request: Request) -> tuple[rows.Message, ...]:
  """Returns the chat that asks for the pieces."""
  prompt = PROMPTS[request.prompt_id]
  template = prompt.single if request.count == 1 else prompt.several
  content = template.format(
      count=request.count,
      topic=request.topic,
      tag=request.tag,
      **dict(zip(('first', 'second'), request.emotions)),
  )
  return ({'role': 'user', 'content': content},)


def reply_prefix(request: Request) -> str:
  """Returns words to begin the reply with, for a model that forgets the form.

  The completion to parse is these words and then what was sampled.
  """
  if request.count > 1:
    return f'{request.tag}\n'
  return '' if request.kind == 'story' else 'Person:'


@functools.cache
def emotions() -> tuple[str, ...]:
  """Returns the 171 words of the paper."""
  return _lines('emotions.txt')


@functools.cache
def topics() -> tuple[str, ...]:
  """Returns 100 topics; the first 12 are those of the packaged stories."""
  return _lines('topics.txt')


def _lines(name: str) -> tuple[str, ...]:
  file = importlib.resources.files('emojax.data') / name
  return tuple(file.read_text(encoding='utf-8').splitlines())
