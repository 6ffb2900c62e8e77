// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ToolCallFormTest {
    private static final String RESULT = "{% if m.role == 'tool' %}={{ m.content }}{% endif %}";
    private static final ChatVariables CONVERSATION =
            ChatVariables.of(
                    List.of(
                            Map.of(
                                    "role",
                                    "assistant",
                                    "content",
                                    "",
                                    "tool_calls",
                                    List.of(
                                            Map.of(
                                                    "function",
                                                    Map.of(
                                                            "name",
                                                            "f",
                                                            "arguments",
                                                            Map.of("x", 1))))),
                            Map.of("role", "tool", "content", "r")),
                    false);

    private static ChatTemplate template(String ofMessage) {
        return ChatTemplate.parse(
                "{% for m in messages %}" + ofMessage + RESULT + "{% endfor %}", "", "");
    }

    /// The parts of published templates that need each form.
    @ParameterizedTest
    @CsvSource(
            delimiter = '§',
            quoteCharacter = '`',
            value = {
                "OBJECT § {{ m.content.split('a')[0] }}{% for c in m.tool_calls %}{{ c.function.name }}{% for k, v in c.function.arguments.items() %}({{ k }}{{ v }}){% endfor %}{% endfor %} § f(x1)r=r",
                "OBJECT_AND_NO_CONTENT § {% if m.content is none %}{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% endif %} § f{\"x\": 1}=r",
                "TEXT § {{ m.content.strip() if m.role != 'tool' }}{% for c in m.tool_calls %}{{ c.function.name + c.function.arguments }}{% endfor %} § f{\"x\":1}=r",
                "TEXT_AND_NO_CONTENT § {% if m.content is none %}{% for c in m.tool_calls %}{{ c.function.name + c.function.arguments }}{% endfor %}{% endif %} § f{\"x\":1}=r"
            })
    void aTemplateGetsTheFormThatItRenders(ToolCallForm form, String ofMessage, String rendered) {
        ChatTemplate template = template(ofMessage);
        Clock clock = Clock.systemUTC();
        assertEquals(Optional.of(form), ToolCallForm.of(template, clock));
        assertEquals(rendered, template.render(form.apply(CONVERSATION), clock));
    }

    @Test
    void aTemplateWithoutToolCallsHasNone() {
        Clock clock = Clock.systemUTC();
        assertEquals(Optional.empty(), ToolCallForm.of(template("{{ m.content }}"), clock));
        assertEquals(
                Optional.empty(),
                ToolCallForm.of(template("{{ raise_exception('only users') }}"), clock));
    }
}
