// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.assertFails;
import static dev.lockstep.text.jinja.Rendering.assertRenders;

import org.junit.jupiter.api.Test;

final class LoopTest {
    @Test
    void aLoopExposesItsPosition() {
        assertRenders(
                "{% for x in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}"
                        + "{{ loop.revindex0 }}{{ loop.length }} {% endfor %}",
                "10323 21213 32103 ",
                "{% for x in 'ab' %}{{ loop.first }}-{{ loop.last }} {% endfor %}",
                "True-False False-True ",
                "{% for x in 'abc' %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
                "<a>b a<b>c b<c> ");
    }

    @Test
    void loopsIterateOverEveryKindOfSequence() {
        assertRenders(
                "{% for x in numbers %}{{ x }}{% endfor %}",
                "123",
                "{% for x in wide %}{{ x }}.{% endfor %}",
                "ä.ö.ü. .你.好. .😀.",
                "{% for x in dict %}{{ x }}{% endfor %}",
                "ba",
                "{% for k, v in dict.items() %}{{ k }}={{ v }};{% endfor %}",
                "b=1;a=[1.5, None, True];",
                "{% for a, (b, c) in [[1, (2, 3)]] %}{{ a + b + c }}{% endfor %}",
                "6",
                "{% for x in missing %}{{ x }}{% endfor %}",
                "",
                "{% for x in range(3) %}{{ x }}{% endfor %}",
                "012");
        assertFails(
                "{% for x in none_value %}{% endfor %}",
                "'NoneType' object is not iterable",
                "{% for a, b in [[1]] %}{% endfor %}",
                "not enough values to unpack (expected 2, got 1)",
                "{% for a, b in ['abc'] %}{% endfor %}",
                "too many values to unpack (expected 2)");
    }

    @Test
    void aConditionDropsItemsBeforeTheyAreCounted() {
        assertRenders(
                "{% for x in numbers if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% endfor %}",
                "1:2/2 2:3/2 ",
                "{% for x in numbers if x > 9 %}{{ x }}{% else %}nothing{% endfor %}",
                "nothing");
    }

    @Test
    void breakAndContinueLeaveOnlyTheirOwnLoop() {
        assertRenders(
                "{% for x in numbers %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
                "13",
                "{% for x in numbers %}{% for y in numbers %}{% if y == x %}{% break %}{% endif %}"
                        + "{{ x }}{{ y }} {% endfor %}|{% endfor %}",
                "|21 |31 32 |");
        assertFails(
                "{% break %}",
                "'break' outside of a loop",
                "{% for x in numbers %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
                "'break' outside of a loop");
    }

    @Test
    void elseRunsUnlessAnIterationCompletes() {
        assertRenders(
                "{% for x in [] %}x{% else %}none{% endfor %}", "none",
                "{% for x in [1] %}x{% else %}none{% endfor %}", "x",
                "{% for x in [1] %}x{% continue %}{% else %}none{% endfor %}", "xnone");
    }

    @Test
    void aRecursiveLoopCallsItself() {
        assertRenders(
                "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }})"
                        + "{% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}",
                "1@1(2@2(3@3))");
        assertFails(
                "{% for x in numbers %}{{ loop(numbers) }}{% endfor %}",
                "The loop must have the 'recursive' marker to be called recursively.");
    }

    @Test
    void aLoopCyclesAndDetectsChanges() {
        assertRenders(
                "{% for x in numbers %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba",
                "{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}", "True False True ");
    }

    @Test
    void aCyclerYieldsItsValuesInTurn() {
        assertRenders(
                "{% set c = cycler('a', 'b') %}{% for n in numbers %}{{ c.next() }}{% endfor %}{{ c.current }}",
                        "abab",
                "{% set c = cycler(1, 2) %}{{ c.next() }}{% set _ = c.reset() %}{{ c.next() }}{{ c.pos }}{{ c.items }}",
                        "111(1, 2)",
                "{{ cycler(1) }}", "<jinja2.utils.Cycler object at 0x7f0000000000>",
                "{% set j = joiner('-') %}{{ j.used }}{{ j() }}{{ j() }}{{ j.sep }}", "False--",
                "{% for n in numbers %}{{ loop }}{% endfor %}",
                        "<LoopContext 1/3><LoopContext 2/3><LoopContext 3/3>");
        assertFails("{{ cycler() }}", "at least one item has to be provided");
    }
}
