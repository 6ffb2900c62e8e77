// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.assertFails;
import static dev.lockstep.text.jinja.Rendering.assertValues;

import org.junit.jupiter.api.Test;

final class ExpressionTest {
    @Test
    void operatorsBindAsInTheDialect() {
        assertValues(
                "1 + 2 * 3", "7",
                "10 - 2 - 3", "5",
                "'a' + 'b' ~ 1", "ab1",
                "2 * 3 % 4", "2",
                "not 1 == 2", "True",
                "not none_value or 1", "True",
                "1 if false else 2 if false else 3", "3",
                "(1 if true else 2) + 3", "4",
                "numbers | length > 2 and text", "Hello World",
                "numbers | first + 1", "2",
                "'x' if text is none else 'y'", "y",
                "1 < 2 < 3", "True",
                "1 < 3 < 2", "False",
                "'a' in 'abc' in ['abc']", "True");
    }

    @Test
    void divisionRoundsDown() {
        assertValues(
                "7 // 2", "3",
                "-7 // 2", "-4",
                "-7 % 3", "2",
                "7 % -3", "-2",
                "-7.5 // 2", "-4.0",
                "-7.5 % 2", "0.5",
                "1 / 2", "0.5",
                "4 / 2", "2.0");
        assertFails(
                "{{ 1 / 0 }}", "division by zero",
                "{{ 1 // 0 }}", "integer division or modulo by zero",
                "{{ 1 % 0.0 }}", "float division by zero");
    }

    @Test
    void wholeNumbersDoNotOverflow() {
        assertValues(
                "9223372036854775807 + 1", "9223372036854775808",
                "2 ** 64", "18446744073709551616",
                "0 - 9223372036854775808", "-9223372036854775808",
                "2 ** 64 // 2 ** 60", "16",
                "2 ** -1", "0.5",
                "0x1F + 0b11 + 0o7 + 1_000", "1041",
                "0x_f + 0_0", "15");
    }

    @Test
    void comparisonsCrossTheKindsOfNumbersOnly() {
        assertValues(
                "1 == 1.0", "True",
                "1 == true", "True",
                "'1' == 1", "False",
                "[1] == (1,)", "False",
                "{'a': [1]} == {'a': [1.0]}", "True",
                "none == none_value", "True",
                "missing == none", "False",
                "[1, 2] < [1, 3]", "True",
                "'a' < 'b'", "True",
                "9007199254740993 == 9007199254740992.0", "False");
        assertFails(
                "{{ 'a' < 1 }}", "'<' not supported between instances of 'str' and 'int'",
                "{{ none < 1 }}", "'<' not supported between instances of 'NoneType' and 'int'");
    }

    @Test
    void membershipDependsOnTheContainer() {
        assertValues(
                "2 in numbers", "True",
                "'ell' in text", "True",
                "'b' in dict", "True",
                "'x' not in dict", "True",
                "1 in missing", "False");
        assertFails(
                "{{ 1 in text }}", "'in <string>' requires string as left operand, not int",
                "{{ 1 in none }}", "argument of type 'NoneType' is not iterable");
    }

    @Test
    void textsAndListsAddAndRepeatAmongThemselvesOnly() {
        assertValues(
                "'a' + 'b'", "ab",
                "[1] + [2]", "[1, 2]",
                "(1,) + (2,)", "(1, 2)",
                "'ab' * 2", "abab",
                "2 * [0]", "[0, 0]",
                "'a' * -1", "",
                "true + true", "2");
        assertFails(
                "{{ 'a' + 1 }}", "can only concatenate str (not \"int\") to str",
                "{{ 1 + 'a' }}", "unsupported operand type(s) for +: 'int' and 'str'",
                "{{ text - 1 }}", "unsupported operand type(s) for -: 'str' and 'int'",
                "{{ -text }}", "bad operand type for unary -: 'str'");
    }

    @Test
    void slicesClampTheirBoundsAndCountCodePoints() {
        assertValues(
                "numbers[1:]", "[2, 3]",
                "numbers[:-1]", "[1, 2]",
                "numbers[::-1]", "[3, 2, 1]",
                "numbers[5:]", "[]",
                "numbers[-9:2]", "[1, 2]",
                "text[:5]", "Hello",
                "text[::-2]", "drWolH",
                "wide[-1]", "😀",
                "wide[4:6]", "你好",
                "wide[::-1]", "😀 好你 üöä");
        assertFails(
                "{{ numbers[::0] }}", "slice step cannot be zero",
                "{{ numbers['a':] }}", "slice indices must be integers or None");
    }

    @Test
    void aNameFindsMethodsFirstAndAKeyFindsEntriesFirst() {
        assertValues(
                "{'items': 1}['items']", "1",
                "{'items': 1}.items() | list", "[('items', 1)]",
                "dict.a[0]", "1.5",
                "dict['b']", "1",
                "numbers.0", "1",
                "messages[0].content", "hi",
                "text['upper']()", "HELLO WORLD",
                "{1: 'a'}[1.0]", "a");
    }

    @Test
    void aMissingValueIsUndefinedUntilItIsUsed() {
        assertValues(
                "missing", "",
                "dict.missing", "",
                "numbers[9]", "",
                "missing ~ 'a'", "a",
                "missing or 'x'", "x",
                "missing | default('x')", "x",
                "dict.missing is defined", "False",
                "missing == other", "True",
                "missing | length", "0",
                "1 if false", "");
        assertFails(
                "{{ missing.x }}", "'missing' is undefined",
                "{{ dict.missing.x }}", "'dict object' has no attribute 'missing'",
                "{{ numbers[9].x }}", "list object has no element 9",
                "{{ missing + 1 }}", "'missing' is undefined",
                "{{ 'a' + missing }}", "'missing' is undefined",
                "{{ missing() }}", "'missing' is undefined",
                "{{ missing | tojson }}", "'missing' is undefined");
    }

    @Test
    void listsAndDictsCannotBeChanged() {
        assertValues("numbers.append is defined", "False");
        assertFails(
                "{{ numbers.append(1) }}",
                        "access to attribute 'append' of 'list' object is unsafe.",
                "{{ dict.update({}) }}",
                        "access to attribute 'update' of 'dict' object is unsafe.");
    }

    @Test
    void noHostObjectIsReachable() {
        assertFails(
                "{{ text.__class__.__mro__ }}", "'str object' has no attribute '__class__'",
                "{{ text.getClass() }}", "'str object' has no attribute 'getClass'",
                "{{ dict.put('a', 1) }}", "'dict object' has no attribute 'put'",
                "{{ text.encode() }}", "the method str.encode is not supported");
    }

    @Test
    void literalsDecodeTheirEscapes() {
        assertValues(
                "'a\\n\\t\\x41\\u00e9\\U0001F600\\101\\q'", "a\n\tAé😀A\\q",
                "'a' \"b\" 'c'", "abc",
                "[1, 2, ]", "[1, 2]",
                "()", "()",
                "(1,)", "(1,)",
                "1, 2", "(1, 2)",
                "1.5e3", "1500.0");
    }
}
