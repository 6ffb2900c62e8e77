// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it.fuzz;

import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.jinja.RenderLimits;
import dev.lockstep.text.jinja.TemplateException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;

/// Fuzz target of chat templates: any bytes render or fail with a [TemplateException], within the
/// limits.
public final class TemplateFuzz {
    private static final RenderLimits LIMITS =
            RenderLimits.DEFAULT.withSteps(20_000).withOutputCharacters(20_000);

    /// A step copies at most 32 characters or reads one element.
    private static final Bounds BOUNDS = new Bounds(16 << 20, 1024);

    private static final Clock CLOCK =
            Clock.fixed(Instant.parse("2026-01-15T12:00:00Z"), ZoneOffset.UTC);

    private static final ChatVariables VARIABLES =
            ChatVariables.of(
                            List.of(
                                    Map.of("role", "system", "content", "be {{ brief }}"),
                                    Map.of("role", "user", "content", "hi 😀")),
                            true)
                    .withTools(List.of(Map.of("name", "clock", "parameters", Map.of("a", 1.5))));

    private TemplateFuzz() {}

    /// Called by Jazzer.
    public static void fuzzerTestOneInput(byte[] input) {
        BOUNDS.check(input, bytes -> render(new String(bytes, StandardCharsets.UTF_8)));
    }

    private static void render(String source) {
        try {
            ChatTemplate.parse(source, "<s>", "</s>", LIMITS).render(VARIABLES, CLOCK);
        } catch (TemplateException refused) {
            // A refusal is a valid outcome.
        }
    }
}
