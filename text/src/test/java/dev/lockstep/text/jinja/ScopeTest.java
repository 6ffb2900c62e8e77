// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.assertFails;
import static dev.lockstep.text.jinja.Rendering.assertRenders;

import org.junit.jupiter.api.Test;

final class ScopeTest {
    @Test
    void anAssignmentInALoopEndsWithItsIteration() {
        assertRenders(
                "{% set x = 0 %}{% for y in numbers %}{{ x }}{% set x = y %}{{ x }} {% endfor %}{{ x }}",
                "01 02 03 0", "{% for x in numbers %}{% endfor %}[{{ x }}]", "[]");
    }

    @Test
    void anAssignmentInAnIfStaysVisible() {
        assertRenders(
                "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "2",
                "{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "2");
    }

    @Test
    void aNamespaceCarriesAChangeOutOfALoop() {
        assertRenders(
                "{% set ns = namespace(sum=0) %}{% for x in numbers %}{% set ns.sum = ns.sum + x %}"
                        + "{% endfor %}{{ ns.sum }} {{ ns['sum'] }} {{ ns.other is defined }}",
                "6 6 False",
                "{{ namespace(a=1, b='x') }}",
                "<Namespace {'a': 1, 'b': 'x'}>",
                "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a + ns.b }}",
                "3");
        assertFails("{% set dict.x = 1 %}", "cannot assign attribute on non-namespace object");
    }

    @Test
    void aNameAssignedBeforeItIsReadHidesTheVariableFromTheStart() {
        assertRenders(
                "{% for x in [1] %}[{{ text }}]{% endfor %}{% set text = 'new' %}{{ text }}",
                "[]new",
                "{% macro m() %}[{{ text }}]{% endmacro %}{{ m() }}{% set text = 'new' %}{{ m() }}",
                "[][new]",
                "{{ text }}{% set text = 'new' %}{{ text }}",
                "Hello Worldnew",
                "{% if false %}{% set text = 'new' %}{% endif %}{{ text }}",
                "Hello World",
                "{% set text %}[{{ text }}]{% endset %}{{ text }}",
                "[]");
    }

    @Test
    void aBlockAssignmentStoresTheTextOfItsBody() {
        assertRenders(
                "{% set x %}a{{ 1 }}{% endset %}{{ x }}{{ x is string }}", "a1True",
                "{% set x | upper | replace('A', 'b') %}a{% endset %}{{ x }}", "b",
                "{% set x %}{% set y = 1 %}{% endset %}[{{ y }}]", "[]");
    }

    @Test
    void severalNamesAreAssignedAtOnce() {
        assertRenders(
                "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12",
                "{% set (a, b) = 'xy' %}{{ a }}{{ b }}", "xy",
                "{% set a = 1, 2 %}{{ a }}", "(1, 2)");
        assertFails("{% set a, b = 5 %}", "cannot unpack non-iterable int object");
    }

    @Test
    void withBindsForItsBodyAndEvaluatesOutsideIt() {
        assertRenders(
                "{% set x = 1 %}{% with x = 2, y = x %}{{ x }}{{ y }}{% endwith %}{{ x }}", "211",
                "{% with %}{% set z = 1 %}{{ z }}{% endwith %}[{{ z }}]", "1[]");
    }

    @Test
    void generationBlocksAreRenderedInPlace() {
        assertRenders(
                "{% generation %}a{% set z = 1 %}{{ z }}{% endgeneration %}[{{ z }}]", "a1[]");
    }

    @Test
    void filterBlocksChangeTheirBody() {
        assertRenders("{% filter upper | trim %} {{ text }} {% endfilter %}.", "HELLO WORLD.");
    }
}
