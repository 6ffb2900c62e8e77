// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.render;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class RenderLimitsTest {
    private static final RenderLimits SMALL =
            RenderLimits.DEFAULT.withSteps(200_000).withOutputCharacters(100_000);

    @Test
    void theLengthOfAnAttributesPathCostsStepsForEachItem() {
        String template =
                "{% set s = 'a' * 99999 %}{{ range(100) | map(attribute=s) | list | length }}";
        assertThrows(TemplateException.class, () -> render(template, SMALL.withSteps(50_000)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
                "{% for i in range(99999) %}{{ text }}{{ text }}{% endfor %}",
                "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
                "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
                "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
                "{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
                "{% set ns = namespace(s=(1,)) %}{% for i in range(99) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ {ns.s: 1} }}",
                "{% set ns = namespace(s=(1,)) %}{% for i in range(99) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ [ns.s] | unique | list }}",
                "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}",
                "{% set ns = namespace(x=2) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(50) }}",
                "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
                "{{ 'a' * 1000000000 }}",
                "{{ [1] * 1000000000 }}",
                "{{ range(1000000000) }}",
                "{{ 'a'.center(1000000000) }}",
                "{{ '%1000000d' % 1 }}",
                "{{ '{:1000000}'.format(1) }}",
                "{{ '{:.999999f}'.format(1.0) }}",
                "{{ 'a' | indent(1000000000) }}",
                "{{ numbers | tojson(indent=1000000000) }}",
                "{{ numbers | batch(1000000000, 'x') | list }}",
                "{{ numbers | slice(1000000000) | list }}",
                "{{ 9 ** 9 ** 9 ** 9 ** 9 }}",
                "{{ ('9' * 99999) | int ** 9 }}{{ 2 ** 5000 }}",
                "{{ ('a' * 99999).replace('a', 'a' * 99999) }}",
                "{% for i in range(99999) %}{{ ('a' * 50000).find('a' * 25000 ~ 'b') }}{% endfor %}",
                "{% set ns = namespace(g=[1]) %}{% for i in range(9999) %}{% set ns.g = ns.g | map('int') %}{% endfor %}{{ ns.g | list }}",
                "{% macro m(x=m()) %}{% endmacro %}{{ m() }}"
            })
    void aHostileTemplateFailsSoon(String template) throws InterruptedException {
        // Seconds, not milliseconds: the limit is on steps.
        Optional<Throwable> failure =
                CpuTime.run(Duration.ofSeconds(10), 0, () -> render(template, SMALL));
        assertInstanceOf(TemplateException.class, failure.orElseThrow());
    }

    @Test
    void eachLimitIsNamedWithItsValue() {
        assertReason(
                "more than 200000 steps", "{% for i in range(99999) %}{{ i }}{{ i }}{% endfor %}");
        assertReason("a text of 200000 characters exceeds 100000", "{{ 'ab' * 100000 }}");
        assertReason("a sequence of 200000 items exceeds 100000", "{{ range(200000) }}");
        assertReason(
                "calls nested deeper than 64", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
        assertReason("template of 70000 characters exceeds 65536", "a".repeat(70_000));
    }

    private static void assertReason(String reason, String template) {
        TemplateException failure =
                assertThrows(TemplateException.class, () -> render(template, SMALL));
        assertEquals(reason, failure.reason());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "(",
                "[",
                "{1:",
                "-",
                "not ",
                "1+",
                "1~",
                "1<",
                "1 and ",
                "1 if ",
                "1 if 1 else ",
                "1**",
                "a.",
                "a[0",
                "a(",
                "a|list|",
                "'a' "
            })
    void deepNestingNeverOverflowsTheStack(String part) throws InterruptedException {
        var source = new StringBuilder("{{ ");
        while (source.length() < 60_000) {
            source.append(part);
        }
        withSmallStack(source + "1 }}");
        withSmallStack("{% if 1 %}".repeat(6_000));
        withSmallStack("{% set " + "(".repeat(60_000) + " = 1 %}");
    }

    @Test
    void deepDataNeverOverflowsTheStack() throws InterruptedException {
        List<Object> data = new ArrayList<>();
        for (int depth = 0; depth < 5_000; depth++) {
            data = new ArrayList<>(List.of(data));
        }
        List<Object> deep = data;
        String failed = onSmallStack(() -> renderDeep("{{ x }}", deep));
        assertTrue(failed.endsWith("nested deeper than 250"), failed);
        withSmallStack(
                "{% set ns = namespace(x=1) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}"
                        + "{% endfor %}{{ ns.x }}");
        withSmallStack(
                "{% set ns = namespace(x=1) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}"
                        + "{% endfor %}{{ ns.x | map(*(['map'] * 4000 + ['sum'])) | map('list') | list }}");
        withSmallStack(
                "{% set ns = namespace(g=[1]) %}{% for i in range(5000) %}"
                        + "{% set ns.g = ns.g | map('int') %}{% endfor %}{{ ns.g | list }}");
        withSmallStack("{% macro m(n, x=m(n)) %}{% endmacro %}{{ m(60) }}");
        withSmallStack(
                "{% macro m(n) %}{{ 1"
                        + " + 1".repeat(450)
                        + " + m(n - 1) | int }}{% endmacro %}{{ m(60) }}");
    }

    private static void renderDeep(String template, List<Object> deep) {
        JinjaTemplate.parse(template, RenderLimits.DEFAULT)
                .render(Map.of("x", deep), Rendering.CLOCK);
    }

    private static void withSmallStack(String template) throws InterruptedException {
        onSmallStack(() -> render(template));
    }

    /// Runs on half of the default stack; only a [TemplateException] may be thrown, whatever the
    /// template.
    private static String onSmallStack(Runnable body) throws InterruptedException {
        Throwable failure =
                CpuTime.run(Duration.ofSeconds(20), 512 * 1024, body)
                        .orElse(new TemplateException("none", 0));
        assertTrue(failure instanceof TemplateException, failure::toString);
        return String.valueOf(failure.getMessage());
    }

    @Test
    void limitsMustBePositive() {
        assertThrows(IllegalArgumentException.class, () -> RenderLimits.DEFAULT.withSteps(0));
    }
}
