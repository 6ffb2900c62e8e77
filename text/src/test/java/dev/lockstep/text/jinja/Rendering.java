// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A renderer of small templates with a fixed set of variables.
final class Rendering {
    static final Clock CLOCK = Clock.fixed(Instant.parse("2026-01-05T09:03:07Z"), ZoneOffset.UTC);

    private Rendering() {}

    static Map<String, @Nullable Object> variables() {
        Map<String, @Nullable Object> variables = new LinkedHashMap<>();
        variables.put("numbers", List.of(1, 2, 3));
        variables.put("text", "Hello World");
        variables.put("none_value", null);
        variables.put("wide", "äöü 你好 😀");
        Map<String, @Nullable Object> dict = new LinkedHashMap<>();
        dict.put("b", 1);
        dict.put("a", Arrays.asList(1.5, null, true));
        variables.put("dict", dict);
        variables.put(
                "messages",
                List.of(
                        Map.of("role", "user", "content", "hi"),
                        Map.of("role", "tool", "content", "3")));
        return variables;
    }

    static String render(String template) {
        return render(template, RenderLimits.DEFAULT);
    }

    static String render(String template, RenderLimits limits) {
        return JinjaTemplate.parse(template, limits).render(variables(), CLOCK);
    }

    /// Checks rows of a template and its text.
    static void assertRenders(String... rows) {
        for (int row = 0; row < rows.length; row += 2) {
            assertEquals(rows[row + 1], render(rows[row]), rows[row]);
        }
    }

    /// Checks rows of an expression and its value as text.
    static void assertValues(String... rows) {
        for (int row = 0; row < rows.length; row += 2) {
            assertEquals(rows[row + 1], render("{{ " + rows[row] + " }}"), rows[row]);
        }
    }

    static TemplateException failure(String template) {
        return assertThrows(TemplateException.class, () -> render(template), template);
    }

    /// Checks rows of a template and the reason of its failure.
    static void assertFails(String... rows) {
        for (int row = 0; row < rows.length; row += 2) {
            assertEquals(rows[row + 1], failure(rows[row]).reason(), rows[row]);
        }
    }
}
