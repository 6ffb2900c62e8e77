// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// A text marked as safe: it prints unchanged, but plain text added to it is escaped.
record Markup(String text) {
    @Override
    public String toString() {
        return text;
    }

    /// Returns the value as text to combine with a safe text: escaped unless it is also marked as
    /// safe.
    static String escape(Object value, Budget budget) {
        return value instanceof Markup safe
                ? safe.text
                : escapeText(Text.of(value, budget), budget);
    }

    private static String escapeText(String plain, Budget budget) {
        var escaped = new StringBuilder(budget.text(plain.length()));
        for (int at = 0; at < plain.length(); at++) {
            char next = plain.charAt(at);
            switch (next) {
                case '&' -> escaped.append("&amp;");
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '"' -> escaped.append("&#34;");
                case '\'' -> escaped.append("&#39;");
                default -> escaped.append(next);
            }
        }
        budget.text(escaped.length());
        return escaped.toString();
    }

    /// Returns a method's result, marked as safe if the receiver is.
    static Object like(Object receiver, String result) {
        return receiver instanceof Markup ? new Markup(result) : result;
    }
}
