// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.assertRenders;
import static dev.lockstep.text.jinja.Rendering.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

final class WhitespaceTest {
    @Test
    void oneNewlineAfterABlockTagIsDropped() {
        assertRenders(
                "{% if true %}\na\n{% endif %}\nb", "a\nb",
                "{% if true %}\n\na{% endif %}", "\na",
                "{# note #}\na", "a",
                "{{ 1 }}\na", "1\na");
    }

    @Test
    void blanksBeforeABlockTagThatStartsItsLineAreDropped() {
        assertRenders(
                "a\n  {% if true %}b{% endif %}", "a\nb",
                " \t{% if true %}b{% endif %}", "b",
                "a  {% if true %}b{% endif %}", "a  b",
                "a\n  {# note #}b", "a\nb",
                "a\n  {{ 1 }}", "a\n  1",
                "{{ 1 }}  {% if true %}b{% endif %}", "1  b");
    }

    @Test
    void aMinusStripsAllWhitespaceOnItsSide() {
        assertRenders(
                "a \n\n {{- 1 -}} \n b", "a1b",
                "a \n {%- if true -%} \n b \n {%- endif -%} \n c", "abc",
                "a \n {#- note -#} \n b", "ab",
                "a\u00a0\u2003{{- 1 }}", "a1");
    }

    @Test
    void aPlusKeepsWhitespaceThatWouldBeDropped() {
        assertRenders(
                "a\n  {%+ if true +%}\nb{% endif %}", "a\n  \nb",
                "a\n  {#+ note +#}\nb", "a\n  \nb");
    }

    @Test
    void oneFinalNewlineOfTheTemplateIsDropped() {
        assertRenders("a\n", "a", "a\n\n", "a\n", "a\r\n", "a", "{{ 1 }}\n", "1");
    }

    @Test
    void everyLineEndBecomesANewline() {
        assertRenders("a\r\nb\rc", "a\nb\nc");
    }

    @Test
    void rawTextIsNotInterpreted() {
        assertRenders(
                "{% raw %}{{ x }}{% if %}{# y #}{% endraw %}", "{{ x }}{% if %}{# y #}",
                "a {%- raw -%} {{ x }} {%- endraw -%} b", "a{{ x }}b",
                "{% raw %}\na\n{% endraw %}\nb", "\na\nb");
        assertEquals("raw block without its 'endraw'", failure("{% raw %} a").reason());
    }

    @Test
    void endMarksInsideBracketsAndTextsDoNotEndATag() {
        assertRenders(
                "{{ {'a': {'b': 1}} }}", "{'a': {'b': 1}}",
                "{{ '}}' }}{% if '%}' %}x{% endif %}", "}}x",
                "{{ 3 -}} a", "3a");
    }

    @Test
    void bracesThatOpenNoTagAreText() {
        assertRenders("{ a } } %} }} #}", "{ a } } %} }} #}");
    }
}
