// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.assertFails;
import static dev.lockstep.text.jinja.Rendering.assertRenders;
import static dev.lockstep.text.jinja.Rendering.assertValues;

import org.junit.jupiter.api.Test;

final class FilterTest {
    @Test
    void defaultsReplaceUndefinedValuesAndOnRequestFalseValues() {
        assertValues(
                "missing | default", "",
                "missing | d('x')", "x",
                "none | default('x')", "None",
                "none | default('x', true)", "x",
                "'' | default('x', boolean=true)", "x");
    }

    @Test
    void textFiltersAcceptAnyValue() {
        assertValues(
                "text | upper", "HELLO WORLD",
                "none | upper", "NONE",
                "'  x ' | trim", "x",
                "'xxaxx' | trim('x')", "a",
                "'foo-bar (baz)' | title", "Foo-Bar (Baz)",
                "'hELLO' | capitalize", "Hello",
                "text | replace('o', '0', 1)", "Hell0 World",
                "'ab' | center(6)", "  ab  ",
                "'a\\nb\\n\\nc' | indent(2)", "a\n  b\n\n  c",
                "'a\\nb' | indent('>', first=true)", ">a\n>b",
                "'a\\n\\nb' | indent(1, blank=true)", "a\n \n b",
                "'aa bb cc dd' | truncate(8, end='..', leeway=0)", "aa bb..",
                "text | wordcount", "2",
                "'%s=%d' | format('a', 3)", "a=3",
                "'%(x)05.1f' | format(x=2.25)", "002.2",
                "[1] | string | length", "3");
    }

    @Test
    void numberFiltersReadTextAndFallBack() {
        assertValues(
                "' 12 ' | int", "12",
                "'12.7' | int", "12",
                "'x' | int", "0",
                "'x' | int(5)", "5",
                "'1f' | int(0, 16)", "31",
                "12.9 | int", "12",
                "'1.5' | float", "1.5",
                "'x' | float", "0.0",
                "(-3) | abs", "3",
                "2.5 | round", "2.0",
                "2.567 | round(2)", "2.57",
                "2.1 | round(0, 'ceil')", "3.0",
                "7 | round", "7");
    }

    @Test
    void sequenceFiltersKeepOrder() {
        assertValues(
                "numbers | join('-')", "1-2-3",
                "messages | join(',', attribute='role')", "user,tool",
                "numbers | first", "1",
                "text | last", "d",
                "numbers | reverse | list", "[3, 2, 1]",
                "text | reverse", "dlroW olleH",
                "dict | items | list", "[('b', 1), ('a', [1.5, None, True])]",
                "numbers | sum", "6",
                "numbers | sum(start=1.5)", "7.5",
                "numbers | batch(2, 'x') | list", "[[1, 2], [3, 'x']]",
                "numbers | slice(2) | list", "[[1, 2], [3]]",
                "'abc' | list", "['a', 'b', 'c']",
                "[] | first", "");
        assertFails(
                "{{ numbers | items | list }}", "Can only get item pairs from a mapping.",
                "{{ none | length }}", "object of type 'NoneType' has no len()");
    }

    @Test
    void selectFiltersTestEachItem() {
        assertValues(
                "messages | selectattr('role', 'equalto', 'user') | list | length", "1",
                "messages | rejectattr('role', 'in', ['user']) | map(attribute='content') | list",
                        "['3']",
                "messages | selectattr('nope') | list", "[]",
                "numbers | select('odd') | list", "[1, 3]",
                "numbers | reject('gt', 1) | list", "[1]",
                "[0, 1, ''] | select | list", "[1]",
                "numbers | map('string') | list", "['1', '2', '3']",
                "messages | map(attribute='nope', default='x') | join", "xx",
                "none | selectattr('a') | list", "[]");
        assertRenders(
                "{% set g = numbers | map('abs') %}{{ g | list }}{{ g | list }}", "[1, 2, 3][]");
    }

    @Test
    void sortingIgnoresCaseByDefault() {
        assertValues(
                "['b', 'A', 'c'] | sort", "['A', 'b', 'c']",
                "['b', 'A', 'B'] | sort(case_sensitive=true)", "['A', 'B', 'b']",
                "numbers | sort(reverse=true)", "[3, 2, 1]",
                "messages | sort(attribute='role') | map(attribute='role') | list",
                        "['tool', 'user']",
                "dict | dictsort", "[('a', [1.5, None, True]), ('b', 1)]",
                "{'a': 2, 'b': 1} | dictsort(by='value')", "[('b', 1), ('a', 2)]",
                "['a', 'A', 'b'] | unique | list", "['a', 'b']",
                "['b', 'A'] | min", "A",
                "numbers | max", "3",
                "messages | groupby('role') | map('first') | list", "['tool', 'user']");
        assertFails(
                "{{ [1, 'a'] | sort }}", "'<' not supported between instances of 'str' and 'int'");
    }

    @Test
    void valuesWithoutAnOrderAreSortedWhereTheyAreEqual() {
        assertValues(
                "[none, none] | sort", "[None, None]",
                "[dict, dict] | sort | length", "2",
                "[dict] | min == dict", "True",
                "[missing, absent] | sort", "[Undefined, Undefined]",
                "[missing, absent] | unique | list | length", "1",
                "[1, 2.0, true] | unique | list", "[1, 2.0]");
        assertFails(
                "{{ [none, 1] | sort }}",
                        "'<' not supported between instances of 'int' and 'NoneType'",
                "{{ [none, none] | min }}",
                        "'<' not supported between instances of 'NoneType' and 'NoneType'");
    }

    @Test
    void theGroupsOfGroupByHaveNamedParts() {
        assertRenders(
                "{% for g in messages | groupby('role') %}{{ g.grouper }}:{{ g.list | map(attribute='content') | join }};{% endfor %}",
                        "tool:3;user:hi;",
                "{% for name, list in messages | groupby('role') %}{{ name }}:{{ list | length }};{% endfor %}",
                        "tool:1;user:1;",
                "{{ messages | groupby('role') | map(attribute='grouper') | list }}",
                        "['tool', 'user']",
                "{{ (messages | groupby('content'))[0]['grouper'] }}{{ (messages | groupby('content'))[0].other }}",
                        "3",
                "{{ [('a', 1)] | groupby(0) }}", "[('a', [('a', 1)])]");
    }

    @Test
    void generatorsPrintWithTheNameOfTheirFunction() {
        String address = " at 0x7f0000000000>";
        assertValues(
                "numbers | map('string')", "<generator object sync_do_map" + address,
                "numbers | batch(2)", "<generator object do_batch" + address,
                "numbers | slice(2)", "<generator object sync_do_slice" + address,
                "numbers | select", "<generator object select_or_reject" + address,
                "numbers | unique", "<generator object sync_do_unique" + address,
                "dict | items", "<generator object do_items" + address,
                "numbers | reverse", "<list_reverseiterator object" + address,
                "[dict.values() | reverse]", "[<dict_reversevalueiterator object" + address + "]",
                "(1, 2) | reverse", "<reversed object" + address,
                "text.upper", "<built-in method upper of str object" + address,
                "range", "<function safe_range" + address,
                "dict.items() | reverse | list", "[('a', [1.5, None, True]), ('b', 1)]");
    }

    @Test
    void aGeneratorComputesItsValuesWhenTheyAreTakenAndYieldsThemOnce() {
        assertRenders(
                "{% set g = numbers | map('nope') %}{{ 'fine' if g }}", "fine",
                "{% set g = numbers | map('string') %}{{ g | first }}{{ g | list }}{{ g | list }}",
                        "1['2', '3'][]",
                "{% set g = numbers | reverse %}{{ 3 in g }}{{ g | list }}", "True[2, 1]",
                "{% set g = numbers | map('string') %}{% for x in g %}{{ x }}{% break %}{% endfor %}{{ g | list }}",
                        "1['2', '3']");
        assertFails(
                "{{ numbers | map('nope') | list }}", "no filter named 'nope'",
                "{{ numbers | reverse | last }}", "'list_reverseiterator' object is not reversible",
                "{{ numbers | reverse | length }}",
                        "object of type 'list_reverseiterator' has no len()");
    }

    @Test
    void anUnknownFilterOrTestFailsOnlyWhenReached() {
        assertRenders("{% if false %}{{ 1 | nope }}{{ 1 is nope }}{% endif %}x", "x");
        assertFails(
                "{{ 1 | nope }}", "no filter named 'nope'",
                "{{ 1 is nope }}", "no test named 'nope'",
                "{{ 1 | upper(1, 2) }}", "upper() takes at most 0 arguments (2 given)");
    }

    @Test
    void testsCheckTheKindOfAValue() {
        assertValues(
                "text is string and numbers is sequence and dict is mapping", "True",
                "text is iterable and text is sequence", "True",
                "1 is number and 1 is integer and 1.5 is float and true is boolean", "True",
                "true is integer", "False",
                "none is none and missing is undefined", "True",
                "3 is odd and 4 is even and 9 is divisibleby 3", "True",
                "1 is eq 1 and 2 is gt 1 and 1 is in [1]", "True",
                "1 is not none", "True",
                "range is callable", "True",
                "'ABC' is upper", "True",
                "'upper' is filter and 'odd' is test", "True",
                "none is sameas none", "True");
    }
}
