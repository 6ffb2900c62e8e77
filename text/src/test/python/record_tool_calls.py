# SPDX-License-Identifier: Apache-2.0
"""Records how transformers renders conversations with tool calls in their history.

    pip install -r requirements.txt && python record_tool_calls.py ../resources/references/tool-calls TEMPLATES

The folder gets the conversations and the text of its own template for each. Of the published
templates in the folder TEMPLATES (*.jinja) it gets digests of the texts only, "error" where a
template refuses the conversation.
"""

import copy
import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template

NOW = datetime(2026, 1, 15, 12, 0, 0)


def call(number, name, arguments):
    return {"id": f"call{number:05}", "type": "function", "function": {"name": name, "arguments": arguments}}


def result(number, name, content):
    return {"role": "tool", "tool_call_id": f"call{number:05}", "name": name, "content": content}


TOOLS = [
    {"type": "function", "function": {
        "name": "find_train", "description": "Finds trains between two towns",
        "parameters": {"type": "object", "required": ["origin", "target"], "properties": {
            "origin": {"type": "string", "description": "The town of departure"},
            "target": {"type": "string", "description": "The town of arrival"},
            "stops": {"type": "array", "items": {"type": "string"}, "description": "Towns on the way"}}}}},
    {"type": "function", "function": {
        "name": "clock", "description": "Tells the time", "parameters": {"type": "object", "properties": {}}}},
]

ASK = {"role": "user", "content": "How do I get from Bern to Zürich?"}
TRAIN = {"origin": "Bern", "target": "Zürich", "stops": ["Olten", "Aarau"]}
VALUES = {"text": "a \"quoted\" <word> & 'more'\n\tend", "flags": [True, False, None], "number": 1.5, "large": 12345678901234567890,
          "nested": {"empty": {}, "list": [], "key": {"deep": -1e-7}}}

CONVERSATIONS = {
    "parallel": {"tools": TOOLS, "messages": [
        {"role": "system", "content": "Be brief."}, ASK,
        {"role": "assistant", "content": "", "tool_calls": [call(1, "find_train", TRAIN), call(2, "clock", {})]},
        result(1, "find_train", "{\"departure\": \"10:02\"}"), result(2, "clock", "09:58"),
        {"role": "assistant", "content": "At 10:02."}, {"role": "user", "content": "Thanks!"}]},
    "chained": {"tools": TOOLS, "messages": [
        ASK,
        {"role": "assistant", "content": "First the time.", "tool_calls": [call(1, "clock", {})]}, result(1, "clock", "09:58"),
        {"role": "assistant", "content": "Now the train.", "tool_calls": [call(2, "find_train", TRAIN)]},
        result(2, "find_train", "10:02")]},
    "values": {"tools": TOOLS, "messages": [
        ASK, {"role": "assistant", "content": "", "tool_calls": [call(1, "find_train", VALUES)]},
        result(1, "find_train", "<none> & \"nothing\"")]},
    "null-content": {"tools": TOOLS, "messages": [
        ASK, {"role": "assistant", "content": None, "tool_calls": [call(1, "clock", {})]}, result(1, "clock", "09:58")]},
    "without-tools": {"messages": [
        ASK, {"role": "assistant", "content": "", "tool_calls": [call(1, "clock", {})]}, result(1, "clock", "09:58"),
        {"role": "assistant", "content": "Soon."}, {"role": "user", "content": "When?"}]},
}

TEMPLATE = """\
{{- bos_token }}
{%- set turn = cycler('odd', 'even') %}
{%- for tool in tools | default([]) | sort(attribute='function.name') %}
<tool {{ turn.next() }}>{{ tool.function | tojson }}</tool>
{%- endfor %}
{%- for message in messages %}
{%- if message.role == 'tool' %}
{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}
<results>
{%- endif %}
<result of={{ message.tool_call_id }}>{{ message.content }}</result>
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}
</results>
{%- endif %}
{%- else %}
<{{ message.role }}>{{ message.content or '' }}
{%- for group in message.tool_calls | default([]) | groupby('function.name') %}
<calls of={{ group.grouper }} count={{ group.list | length }}>
{%- for call in group.list %}
{{ call.id }}:
{%- for name, value in call.function.arguments | items %} {{ name }}={{ value if value is string else value | tojson }}{% if not loop.last %},{% endif %}{% endfor %}
{%- for pair in call.function.arguments | dictsort | batch(2) %} [{{ pair | map('first') | join('|') }}]{% endfor %}
{%- endfor %}
</calls>
{%- endfor %}
</{{ message.role }}>
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
<assistant>
{%- endif %}
"""


def render(template, conversation):
    # Without tools the variable is undefined, while transformers would pass None.
    return _compile_jinja_template(template).render(
        **copy.deepcopy(conversation), add_generation_prompt=True, bos_token="<s>", eos_token="</s>", strftime_now=NOW.strftime)


def digest(template, conversation):
    try:
        return hashlib.sha256(render(template, conversation).encode()).hexdigest()[:16]
    except Exception:
        return "error"


def record(root, templates):
    root.mkdir(parents=True, exist_ok=True)
    (root / "template.jinja").write_text(TEMPLATE)
    golden = {"conversations": CONVERSATIONS,
              "texts": {name: render(TEMPLATE, each) for name, each in CONVERSATIONS.items()},
              "digests": {path.name: {name: digest(path.read_text(), each) for name, each in CONVERSATIONS.items()}
                          for path in sorted(templates.glob("*.jinja"))}}
    (root / "golden.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    record(Path(sys.argv[1]), Path(sys.argv[2]))
