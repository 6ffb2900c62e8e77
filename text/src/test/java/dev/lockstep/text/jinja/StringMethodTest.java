// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.assertFails;
import static dev.lockstep.text.jinja.Rendering.assertValues;

import org.junit.jupiter.api.Test;

final class StringMethodTest {
    @Test
    void splittingKeepsEmptyPartsOnlyWithASeparator() {
        assertValues(
                "'a,,b'.split(',')", "['a', '', 'b']",
                "' a  b '.split()", "['a', 'b']",
                "''.split()", "[]",
                "''.split(',')", "['']",
                "'a b c'.split(' ', 1)", "['a', 'b c']",
                "' a  b '.split(none, 1)", "['a', 'b ']",
                "'a b c'.rsplit(' ', 1)", "['a b', 'c']",
                "' a  b '.rsplit(none, 1)", "[' a', 'b']",
                "'a\\r\\nb\\n'.splitlines()", "['a', 'b']",
                "'a=b=c'.partition('=')", "('a', '=', 'b=c')",
                "'a=b=c'.rpartition('=')", "('a=b', '=', 'c')");
        assertFails("{{ 'a'.split('') }}", "empty separator");
    }

    @Test
    void strippingRemovesBlanksOrASetOfCharacters() {
        assertValues(
                "'\\n a\\u3000'.strip()", "a",
                "'xxaxx'.lstrip('x')", "axx",
                "'abcab'.strip('ab')", "c",
                "'x'.rstrip('')", "x");
    }

    @Test
    void searchingCountsCodePoints() {
        assertValues(
                "wide.find('😀')", "7",
                "text.find('o', 5)", "7",
                "text.rfind('o')", "7",
                "text.find('zz')", "-1",
                "text.count('l')", "3",
                "text.count('')", "12",
                "text.startswith('Hell')", "True",
                "text.endswith(('x', 'ld'))", "True",
                "text.replace('l', 'L', 2)", "HeLLo World",
                "'ab'.replace('', '-')", "-a-b-",
                "('ab' * 20 ~ 'c').find('ab' * 5 ~ 'c')", "30",
                "('ab' * 20).count('abababab' * 2)", "2",
                "('ab' * 20).rfind('ba' * 6)", "27");
        assertFails("{{ text.index('zz') }}", "substring not found");
    }

    @Test
    void caseAndPaddingMethodsChangeTheText() {
        assertValues(
                "'straße'.upper()", "STRASSE",
                "\"they're BILL's\".title()", "They'Re Bill'S",
                "'hELLO'.swapcase()", "Hello",
                "'-42'.zfill(5)", "-0042",
                "'ab'.rjust(4, '.')", "..ab",
                "'abcd'.center(7, '*')", "**abcd*",
                "'a\\tb'.expandtabs(4)", "a   b",
                "','.join(['a', 'b'])", "a,b",
                "'12'.isdigit()", "True",
                "' '.isspace()", "True",
                "''.isalpha()", "False");
    }

    @Test
    void formatFillsFields() {
        assertValues(
                "'{} {}'.format(1, 'a')", "1 a",
                "'{1}{0}{x}'.format(1, 2, x=3)", "213",
                "'{:>5}|{:<4}|{:^5}'.format('a', 'b', 'c')", "    a|b   |  c  ",
                "'{:05.1f} {:,} {:#x} {:%}'.format(2.25, 1234567, 255, 0.5)",
                        "002.2 1,234,567 0xff 50.000000%",
                "'{!r} {{}}'.format('a')", "'a' {}",
                "'{0[a]}{0.b}'.format({'a': 1, 'b': 2})", "12",
                "'%s %5.2f %x %%' % ('a', 1.005, 255)", "a  1.00 ff %",
                "'%(a)s' % {'a': 1}", "1");
        assertFails(
                "{{ '{}'.format() }}", "format field 0 has no argument",
                "{{ '%s %s' % 1 }}", "not enough arguments for format string",
                "{{ 'a' % 1 }}", "not all arguments converted during string formatting");
    }
}
