// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import static dev.lockstep.text.jinja.Rendering.assertFails;
import static dev.lockstep.text.jinja.Rendering.assertValues;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.math.BigInteger;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class ValueTextTest {
    @Test
    void valuesPrintAsTheyDoInTheDialect() {
        assertValues(
                "true", "True",
                "none", "None",
                "1.0", "1.0",
                "1e16", "1e+16",
                "1e15", "1000000000000000.0",
                "0.0001", "0.0001",
                "0.00001", "1e-05",
                "1.5e-7", "1.5e-07",
                "0.1 + 0.2", "0.30000000000000004",
                "1e308 * 10", "inf",
                "-1.0 * 0", "-0.0",
                "dict", "{'b': 1, 'a': [1.5, None, True]}",
                "dict.items()", "dict_items([('b', 1), ('a', [1.5, None, True])])",
                "range(1, 5)", "range(1, 5)");
    }

    @Test
    void textsInListsAreQuotedAndEscaped() {
        assertValues(
                "['a']", "['a']",
                "[\"it's\"]", "[\"it's\"]",
                "['it\\'s \"x\"']", "['it\\'s \"x\"']",
                "['a\\n\\t\\\\\\x00\\xa0']", "['a\\n\\t\\\\\\x00\\xa0']",
                "['é你😀']", "['é你😀']",
                "['\\u200b']", "['\\u200b']");
    }

    @Test
    void jsonKeepsKeyOrderAndEscapesNothingForHtml() {
        assertValues(
                "dict | tojson",
                "{\"b\": 1, \"a\": [1.5, null, true]}",
                "'<a> & \\'b\\' \"c\" é\\n\\x01' | tojson",
                "\"<a> & 'b' \\\"c\\\" é\\n\\u0001\"",
                "'é😀' | tojson(ensure_ascii=true)",
                "\"\\u00e9\\ud83d\\ude00\"",
                "dict | tojson(indent=2)",
                "{\n  \"b\": 1,\n  \"a\": [\n    1.5,\n    null,\n    true\n  ]\n}",
                "{12345678901234567890123: 1, 'a'|e: 2, 1.5: 3} | tojson",
                "{\"12345678901234567890123\": 1, \"a\": 2, \"1.5\": 3}",
                "dict | tojson(separators=(',', ':'))",
                "{\"b\":1,\"a\":[1.5,null,true]}",
                "dict | tojson(sort_keys=true)",
                "{\"a\": [1.5, null, true], \"b\": 1}",
                "[[], {}] | tojson(indent=1)",
                "[\n [],\n {}\n]",
                "{1: 2, none: 3, true: 4} | tojson",
                "{\"1\": 2, \"null\": 3, \"true\": 4}",
                "(1, 1.0, 1e20) | tojson",
                "[1, 1.0, 1e+20]");
        assertFails("{{ range(3) | tojson }}", "Object of type range is not JSON serializable");
    }

    @Test
    void plainTextAddedToSafeTextIsEscaped() {
        assertValues(
                "'<a>' | safe + '<b>'", "<a>&lt;b&gt;",
                "'<b>' + ('<a>' | safe)", "&lt;b&gt;<a>",
                "('<a>' | safe) ~ '<b>'", "<a><b>",
                "'<&\\'\">' | e", "&lt;&amp;&#39;&#34;&gt;",
                "'<' | e | e", "&lt;",
                "('<%s>' | safe) % '<'", "<&lt;>",
                "('{}' | safe).format('<')", "&lt;",
                "('a' | safe) == 'a'", "True",
                "('<' | safe) | tojson", "\"<\"");
    }

    @Test
    void bigNumbersOfACallerKeepTheirDigits() {
        var big = new BigInteger("18446744073709551615");
        JinjaTemplate template =
                JinjaTemplate.parse("{{ n }} {{ n | tojson }}", RenderLimits.DEFAULT);
        assertEquals(big + " " + big, template.render(Map.of("n", big), Rendering.CLOCK));
    }

    @Test
    void aVariableOfAnotherKindIsRefused() {
        JinjaTemplate template = JinjaTemplate.parse("a", RenderLimits.DEFAULT);
        assertThrows(
                IllegalArgumentException.class,
                () -> template.render(Map.of("n", new Object()), Rendering.CLOCK));
    }

    @Test
    void datesFollowThePercentCodes() {
        assertValues(
                "strftime_now('%Y-%m-%d %H:%M:%S')", "2026-01-05 09:03:07",
                "strftime_now('%d %b %Y, %A %B %a %j %y')",
                        "05 Jan 2026, Monday January Mon 005 26",
                "strftime_now('%-d %e %I %p %% %-m')", "5  5 09 AM % 1");
        assertFails("{{ strftime_now('%Q') }}", "strftime_now does not support '%Q'");
    }
}
