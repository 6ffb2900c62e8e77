// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

final class TemplateErrorTest {
    private static void assertLine(int line, String template) {
        assertEquals(line, failure(template).line(), template);
    }

    @Test
    void aSyntaxErrorNamesItsLine() {
        assertLine(3, "a\nb\n{{ 1 + }}");
        assertLine(2, "a\n{% if true %}\nb\n");
        assertLine(3, "{{ 'a\n\n' + }}");
        assertLine(4, "{# a\n\n#}\n{% nope %}");
        assertLine(2, "a\n{{ (1 }}");
        assertLine(2, "{% raw %}\n{% endraw %}{{");
    }

    @Test
    void aFailureNamesTheLineOfTheExpression() {
        assertLine(3, "a\n{{ 1 }}\n{{ missing.x }}");
        assertLine(2, "{% macro m() %}\n{{ missing.x }}{% endmacro %}\n\n{{ m() }}");
        assertLine(2, "{% for x in numbers %}\n{{ raise_exception('no') }}{% endfor %}");
        assertLine(3, "{{\n1 +\n2 + 'a' }}");
        assertLine(2, "\r\n{{ 1 / 0 }}");
    }

    @Test
    void unsupportedSyntaxIsRefusedByName() {
        assertEquals("unknown block 'include'", failure("{% include 'x' %}").reason());
        assertEquals("unknown block 'import'", failure("{% import 'x' as y %}").reason());
        assertEquals("unexpected character '?'", failure("{{ a ? b }}").reason());
        assertEquals("unexpected 'b', expected '}}'", failure("{{ a b }}").reason());
        assertEquals("block without its 'endset'", failure("{% set x %}").reason());
        assertEquals("unexpected '}}', expected an expression", failure("{{ }}").reason());
        assertEquals("unexpected ')', expected no bracket", failure("{{ ) }}").reason());
        assertEquals(
                "parameter 'b' without a default follows one with a default",
                failure("{% macro m(a=1, b) %}{% endmacro %}").reason());
        assertEquals("cannot assign to 'true'", failure("{% set true = 1 %}").reason());
        assertEquals("tag without its end '}}'", failure("{{ 1").reason());
        assertEquals("text without its closing '", failure("{{ 'a }}").reason());
        assertEquals("unexpected 'x', expected '}}'", failure("{{ 0x }}").reason());
        assertEquals("unexpected 'b2', expected '}}'", failure("{{ 0b2 }}").reason());
    }

    @Test
    void aRaisedExceptionKeepsItsMessage() {
        assertEquals(
                "template line 2: only 2 roles",
                failure("\n{{ raise_exception('only ' ~ 2 ~ ' roles') }}").getMessage());
    }
}
