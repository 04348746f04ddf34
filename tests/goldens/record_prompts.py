"""The prompts of the goldens."""

# Plain strings, already in the model's chat format or not: what is compared is
# the computation on given token ids.
CHAT = (
    '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained'
    ' by Hugging Face<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n'
    '<|im_start|>assistant\n'
)
PROMPTS = (
    CHAT.format('What is the capital of France?'),
    CHAT.format('My dog has been gone for three days. What should I do?'),
    CHAT.format('Write two sentences about the sea.'),
    'Once upon a time there was a lighthouse keeper who',
    'def mean(values):\n    """Returns the arithmetic mean."""\n    return',
)
