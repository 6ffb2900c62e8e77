// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ModelTemplate;

/// Chat templates with tool calls, made for tests: short, so that a tiny model's context is enough.
enum CallTemplates {
    /// Reasoning, then content, then calls as JSON between markers.
    MARKED(
            """
            {% if m.reasoning_content %}<think>
            {{ m.reasoning_content }}
            </think>

            {% endif %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ '\\n' if m.content or not loop.first else '' }}<tool_call>
            {"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
            </tool_call>{% endfor %}"""),
    /// Arguments as text between tags.
    TAGGED(
            """
            {{ m.content }}{% for c in m.tool_calls or [] %}{{ '\\n' if m.content or not loop.first else '' }}<tool_call>
            <function={{ c.function.name }}>
            {% for k, v in c.function.arguments.items() %}<parameter={{ k }}>
            {{ v if v is string else v | tojson }}
            </parameter>
            {% endfor %}</function>
            </tool_call>{% endfor %}"""),
    /// One call, as JSON without a marker.
    BARE(
            """
            {% if m.tool_calls %}{% if m.tool_calls | length > 1 %}{{ raise_exception('one call') }}{% endif %}{% for c in m.tool_calls %}{"name": "{{ c.function.name }}", "parameters": {{ c.function.arguments | tojson }}}{% endfor %}{% else %}{{ m.content }}{% endif %}""");

    private final String assistant;

    CallTemplates(String assistant) {
        this.assistant = assistant;
    }

    ModelTemplate template() {
        return new ModelTemplate.Usable(
                ChatTemplate.parse(
                        "{% if tools %}<|im_start|>tools\n{{ tools | length }}<|im_end|>\n{% endif %}"
                                + "{% if enable_thinking %}thinks\n{% endif %}"
                                + "{% for m in messages %}<|im_start|>{{ m.role }}\n"
                                + "{% if m.role == 'assistant' %}"
                                + assistant
                                + "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
                                + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
                        "",
                        "<|im_end|>"));
    }

    TestCoordinator start() throws Exception {
        return TestCoordinator.start(Models.templated(TestCoordinator.tinyModel(), template()));
    }
}
