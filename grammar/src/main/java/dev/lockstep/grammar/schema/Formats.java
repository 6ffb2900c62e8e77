// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import static java.util.Map.entry;

import dev.lockstep.grammar.Regex;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// Formats of strings that are regular languages.
final class Formats {
    private static final String DATE =
            "(?!0000)(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])"
                    + "|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))"
                    + "|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
    private static final String TIME =
            "(?:(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?"
                    + "(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d))"
                    + "|23:59:60(?:\\.\\d+)?(?:[Zz]|[+-]00:00))";
    private static final String LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    private static final String HOSTNAME = "(?=.{1,253}$)" + LABEL + "(?:\\." + LABEL + ")*";
    private static final String BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    private static final String IPV4 = BYTE + "(?:\\." + BYTE + "){3}";
    private static final String IPV6 = ipv6();
    private static final String ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    private static final String EMAIL =
            ATOM + "(?:\\." + ATOM + ")*@" + LABEL + "(?:\\." + LABEL + ")*";
    private static final String HEX = "%[0-9A-Fa-f]{2}";

    private static final Map<String, String> PATTERNS =
            Map.ofEntries(
                    entry("date", DATE),
                    entry("time", TIME),
                    entry("date-time", DATE + "[Tt]" + TIME),
                    entry("duration", duration()),
                    entry("email", EMAIL),
                    entry("hostname", HOSTNAME),
                    entry("ipv4", IPV4),
                    entry("ipv6", IPV6),
                    entry("uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
                    entry("uri", uri("", true)),
                    entry("uri-reference", uri("", false)),
                    entry("iri", uri("\\u00a0-\\u{10ffff}", true)),
                    entry("iri-reference", uri("\\u00a0-\\u{10ffff}", false)),
                    entry("json-pointer", "(?:/(?:[^/~]|~[01])*)*"),
                    entry("relative-json-pointer", "(?:0|[1-9]\\d*)(?:#|(?:/(?:[^/~]|~[01])*)*)"));

    /// Formats of the standard that are no regular language, or none that is worth it.
    private static final Set<String> REFUSED =
            Set.of("regex", "uri-template", "idn-email", "idn-hostname");

    /// Formats whose language here is the one that every validator means. Of the others, what is
    /// not in the language may still have the format elsewhere.
    private static final Set<String> EXACT =
            Set.of("date", "ipv4", "ipv6", "uuid", "hostname", "json-pointer");

    private record Spelled(String name, StringText text) {}

    private static final Map<Spelled, Regex> MADE = new ConcurrentHashMap<>();

    private Formats() {}

    /// Whether the standard knows the format; others are annotations.
    static boolean isKnown(String name) {
        return PATTERNS.containsKey(name) || REFUSED.contains(name);
    }

    static boolean isExact(String name) {
        return EXACT.contains(name);
    }

    static Optional<Regex> named(String name, StringText text) {
        String pattern = PATTERNS.get(name);
        if (pattern == null) {
            return Optional.empty();
        }
        return Optional.of(
                MADE.computeIfAbsent(
                        new Spelled(name, text), _ -> text.ofFormat("^(?:" + pattern + ")$")));
    }

    private static String duration() {
        String time = "T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)";
        String date = "(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)";
        return "P(?:%s(?:%s)?|%s|\\d+W)".formatted(date, time, time);
    }

    private static String ipv6() {
        String group = "[0-9A-Fa-f]{1,4}";
        String last = "(?:" + group + ":" + group + "|" + IPV4 + ")";
        var all = new StringBuilder("(?:" + group + ":){6}" + last);
        for (int before = 0; before <= 5; before++) {
            // `before` groups at most, the gap, and groups behind it that leave one group to it.
            int behind = 5 - before;
            String head =
                    before == 0
                            ? ""
                            : "(?:(?:" + group + ":){0," + (before - 1) + "}" + group + ")?";
            all.append('|')
                    .append(head)
                    .append("::(?:")
                    .append(group)
                    .append(":){")
                    .append(behind)
                    .append('}')
                    .append(last);
        }
        all.append("|(?:(?:" + group + ":){0,5}" + group + ")?::" + group);
        all.append("|(?:(?:" + group + ":){0,6}" + group + ")?::");
        return "(?:" + all + ")";
    }

    private static String uri(String more, boolean absolute) {
        String plain = "A-Za-z0-9\\-._~!$&'()*+,;=" + more;
        String path = "(?:[" + plain + ":@/]|" + HEX + ")*";
        String host =
                "(?:\\["
                        + IPV6
                        + "\\]|\\[[vV][0-9A-Fa-f]+\\.["
                        + plain
                        + ":]+\\]|(?:["
                        + plain
                        + "]|"
                        + HEX
                        + ")*)";
        String authority = "(?:(?:[" + plain + ":]|" + HEX + ")*@)?" + host + "(?::\\d*)?";
        String hierarchy = "(?://" + authority + "(?:/" + path + ")?|(?!//)" + path + ")";
        String tail =
                "(?:\\?(?:["
                        + plain
                        + ":@/?]|"
                        + HEX
                        + ")*)?(?:#(?:["
                        + plain
                        + ":@/?]|"
                        + HEX
                        + ")*)?";
        String scheme = "[A-Za-z][A-Za-z0-9+.\\-]*:";
        if (absolute) {
            return scheme + hierarchy + tail;
        }
        // The first step of a path without a scheme has no colon.
        return "(?:"
                + scheme
                + hierarchy
                + "|(?![^/?#]*:)"
                + hierarchy
                + "|//"
                + authority
                + "(?:/"
                + path
                + ")?)"
                + tail;
    }
}
