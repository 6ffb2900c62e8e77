// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.assertFails;
import static dev.lockstep.text.jinja.Rendering.assertRenders;

import org.junit.jupiter.api.Test;

final class MacroTest {
    private static final String PAIR = "{% macro m(a, b=a) %}{{ a }}-{{ b }}{% endmacro %}";

    @Test
    void argumentsAreMatchedByPositionAndName() {
        assertRenders(
                PAIR + "{{ m(1) }}", "1-1",
                PAIR + "{{ m(1, 2) }}", "1-2",
                PAIR + "{{ m(b=1, a=2) }}", "2-1",
                PAIR + "{{ m() }}", "-",
                PAIR + "{{ m(*[1, 2]) }}", "1-2",
                PAIR + "{{ m(**{'a': 1, 'b': 2}) }}", "1-2");
        assertFails(
                PAIR + "{{ m(1, 2, 3) }}", "macro 'm' takes not more than 2 argument(s)",
                PAIR + "{{ m(c=1) }}", "macro 'm' takes no keyword argument 'c'",
                PAIR + "{{ m(1, a=2) }}", "macro 'm' got the argument 'a' twice");
    }

    @Test
    void extraArgumentsAreAcceptedIfTheBodyReadsThem() {
        assertRenders(
                "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, x=2) }}",
                "(1,){'x': 2}");
    }

    @Test
    void aMacroReadsTheScopeOfItsDefinitionWhenItIsCalled() {
        assertRenders(
                "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}",
                "12",
                "{% macro m() %}{% set x = 5 %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{{ x }}",
                "51",
                "{% for x in numbers %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}",
                "123");
        assertFails("{{ m() }}{% macro m() %}{% endmacro %}", "'m' is undefined");
    }

    @Test
    void aMacroCallsItself() {
        assertRenders(
                "{% macro m(n) %}{{ n }}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
                "3210");
    }

    @Test
    void aCallBlockIsPassedAsCaller() {
        assertRenders(
                "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body{% endcall %}",
                "[body]",
                "{% macro m() %}{{ caller(1, b=2) }}{% endmacro %}"
                        + "{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}",
                "12",
                "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}",
                "False");
        assertFails(
                "{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}",
                "macro 'm' takes no keyword argument 'caller'");
    }
}
