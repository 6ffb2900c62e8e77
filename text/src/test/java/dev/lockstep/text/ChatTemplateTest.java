// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.text.jinja.TemplateException;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class ChatTemplateTest {
    private static final String CHAT_ML =
            """
            {% for message in messages %}
            {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
            {%- if not loop.last %}{% endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}
            {{- '<|im_start|>assistant\\n' }}
            {%- endif %}
            """;
    private static final Clock CLOCK =
            Clock.fixed(Instant.parse("2026-01-15T12:00:00Z"), ZoneId.of("Asia/Tokyo"));

    private static String render(String source, ChatVariables variables) {
        return ChatTemplate.parse(source, "<s>", "</s>").render(variables, CLOCK);
    }

    private static ChatVariables user(String content) {
        return ChatVariables.of(List.of(Map.of("role", "user", "content", content)), true);
    }

    @Test
    void aConversationBecomesItsPrompt() {
        assertEquals(
                "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
                render(CHAT_ML, user("Hi")));
    }

    @Test
    void manyThreadsShareOneTemplate() {
        ChatTemplate template =
                ChatTemplate.parse(
                        "{% set ns = namespace(n=0) %}{% for x in range(200) %}"
                                + "{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}{{ messages[0].content }}",
                        "", "");
        List<String> texts =
                IntStream.range(0, 64)
                        .parallel()
                        .mapToObj(number -> template.render(user("-" + number), CLOCK))
                        .toList();
        for (int number = 0; number < 64; number++) {
            assertEquals("200-" + number, texts.get(number));
        }
    }

    @Test
    void bracesInAMessageAreRenderedUnchanged() {
        String hostile = "{{ messages }}{% raw %}{# no #}";
        assertTrue(render(CHAT_ML, user(hostile)).contains(hostile));
    }

    @Test
    void toolsAreUndefinedUntilAdded() {
        String source = "{{ tools is defined }} {{ tools is none }} {{ tools | length }}";
        assertEquals("False False 0", render(source, user("")));
        assertEquals("True False 1", render(source, user("").withTools(List.of(Map.of()))));
        assertEquals(
                "True True",
                render("{{ tools is defined }} {{ tools is none }}", user("").with("tools", null)));
    }

    @Test
    void theModelsTokensAreTemplateVariables() {
        assertEquals("<s>|</s>", render("{{ bos_token }}|{{ eos_token }}", user("")));
    }

    @Test
    void theDateIsInTheClocksZone() {
        assertEquals("2026-01-15 21:00", render("{{ strftime_now('%Y-%m-%d %H:%M') }}", user("")));
    }

    @Test
    void aRefusedConversationNamesTheTemplatesLine() {
        TemplateException refused =
                assertThrows(
                        TemplateException.class,
                        () -> render("\n{{ raise_exception('roles must alternate') }}", user("")));
        assertEquals("template line 2: roles must alternate", refused.getMessage());
    }

    @Test
    void messagesCannotBeReplacedByAnotherVariable() {
        assertThrows(IllegalArgumentException.class, () -> user("").with("messages", List.of()));
        assertThrows(IllegalArgumentException.class, () -> ChatVariables.of(List.of(), true));
    }
}
