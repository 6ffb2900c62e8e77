// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/// Any template renders soon or fails soon with a [TemplateException].
final class TemplateFuzzTest {
    private static final RenderLimits LIMITS =
            RenderLimits.DEFAULT.withSteps(20_000).withOutputCharacters(20_000);
    private static final List<String> WORDS =
            List.of(
                    "{{",
                    "}}",
                    "{%",
                    "%}",
                    "{#",
                    "#}",
                    "-",
                    "+",
                    "*",
                    "**",
                    "/",
                    "//",
                    "%",
                    "~",
                    "|",
                    ".",
                    ",",
                    ":",
                    "=",
                    "==",
                    "<",
                    ">=",
                    "(",
                    ")",
                    "[",
                    "]",
                    "{",
                    "}",
                    " ",
                    "\n",
                    "'",
                    "\"",
                    "\\",
                    "if",
                    "elif",
                    "else",
                    "endif",
                    "for",
                    "in",
                    "endfor",
                    "set",
                    "endset",
                    "macro",
                    "endmacro",
                    "call",
                    "endcall",
                    "filter",
                    "endfilter",
                    "with",
                    "endwith",
                    "raw",
                    "endraw",
                    "break",
                    "continue",
                    "generation",
                    "endgeneration",
                    "recursive",
                    "is",
                    "not",
                    "and",
                    "or",
                    "none",
                    "true",
                    "defined",
                    "string",
                    "loop",
                    "loop.index",
                    "caller",
                    "varargs",
                    "namespace",
                    "range",
                    "numbers",
                    "text",
                    "dict",
                    "messages",
                    "wide",
                    "x",
                    "m",
                    "0",
                    "1",
                    "2.5",
                    "99999999999",
                    "upper",
                    "length",
                    "tojson",
                    "join",
                    "map",
                    "select",
                    "sort",
                    "default",
                    "replace",
                    "split",
                    "format",
                    "items",
                    "first",
                    "list",
                    "int",
                    "round",
                    "batch",
                    "slice",
                    "unique",
                    "'%s'",
                    "'{}'");
    private static final List<String> SEEDS =
            List.of(
                    "{% for m in messages %}{{ '<|' + m.role + '|>' }}{{ m['content'] | trim }}{% if not loop.last %}\n{% endif %}{% endfor %}",
                    "{%- set ns = namespace(i=0) -%}{% for x in numbers[::-1] %}{% set ns.i = ns.i + x %}{% endfor %}{{ ns.i }}",
                    "{% macro m(a, b=2, *c) %}{{ a ~ b }}{% endmacro %}{{ m(1) }}{{ dict | tojson(indent=2) }}",
                    "{% macro m(a, b=[]) %}{{ caller(a) }}{{ kwargs }}{% endmacro %}{% call(x) m(1, c=2) %}{{ x }}{% endcall %}",
                    "{% set a, b = text.split(' ', 1) %}{{ '%s|%5.2f' | format(a, 1.5) }}{{ '{:>9}'.format(b) }}{{ wide[2:-1] }}");

    private static void runEach(int count, Supplier<String> templates) throws InterruptedException {
        Optional<Throwable> failure =
                CpuTime.run(
                        Duration.ofSeconds(60),
                        0,
                        () -> {
                            for (int round = 0; round < count; round++) {
                                run(templates.get());
                            }
                        });
        failure.ifPresent(
                thrown -> {
                    throw new AssertionError(thrown.getMessage(), thrown);
                });
    }

    private static void run(String template) {
        try {
            Rendering.render(template, LIMITS);
        } catch (TemplateException expected) {
            // A refusal is a valid outcome.
        } catch (RuntimeException | StackOverflowError wrong) {
            throw new AssertionError("template: " + template, wrong);
        }
    }

    @Test
    void randomBytesRenderOrFail() throws InterruptedException {
        var random = new Random(1);
        runEach(
                2_000,
                () -> {
                    byte[] bytes = new byte[random.nextInt(200)];
                    random.nextBytes(bytes);
                    return "{{" + new String(bytes, StandardCharsets.ISO_8859_1);
                });
    }

    @Test
    void randomWordsRenderOrFail() throws InterruptedException {
        var random = new Random(2);
        runEach(10_000, () -> randomWords(random));
    }

    private static String randomWords(Random random) {
        var template = new StringBuilder(random.nextBoolean() ? "{{ " : "{% ");
        for (int word = random.nextInt(25); word > 0; word--) {
            template.append(WORDS.get(random.nextInt(WORDS.size())));
            template.append(random.nextInt(3) > 0 ? " " : "");
        }
        return template.append(random.nextBoolean() ? " }}" : " %}").toString();
    }

    @Test
    void damagedTemplatesRenderOrFail() throws InterruptedException {
        var random = new Random(3);
        runEach(10_000, () -> damagedSeed(random));
    }

    private static String damagedSeed(Random random) {
        var template = new StringBuilder(SEEDS.get(random.nextInt(SEEDS.size())));
        for (int change = 1 + random.nextInt(4); change > 0; change--) {
            int at = random.nextInt(template.length());
            int end = Math.min(template.length(), at + random.nextInt(6));
            String word = random.nextBoolean() ? "" : WORDS.get(random.nextInt(WORDS.size()));
            template.replace(at, end, word);
            template.append(' ');
        }
        return template.toString();
    }
}
