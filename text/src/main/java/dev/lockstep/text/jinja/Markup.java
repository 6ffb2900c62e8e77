package dev.lockstep.text.jinja;

/// A text marked as safe: it is printed as it is, but escapes plain text that is added to it.
record Markup(String text) {
    @Override
    public String toString() {
        return text;
    }

    /// The value as text for use beside this one: escaped unless it is marked as safe itself.
    static String escape(Object value, Budget budget) {
        return value instanceof Markup safe
                ? safe.text
                : escapeText(Text.of(value, budget), budget);
    }

    private static String escapeText(String plain, Budget budget) {
        StringBuilder escaped = new StringBuilder(budget.text(plain.length()));
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

    /// Gives a method's result the mark of the text it was called on.
    static Object like(Object receiver, String result) {
        return receiver instanceof Markup ? new Markup(result) : result;
    }
}
