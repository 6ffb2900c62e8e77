// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// Padding of texts to a width.
final class TextPadding {
    private TextPadding() {}

    static String pad(String text, String method, CallArguments arguments, Budget budget) {
        return switch (method) {
            case "zfill" -> {
                boolean signed = text.startsWith("-") || text.startsWith("+");
                String sign = signed ? text.substring(0, 1) : "";
                long missing = missing(text, arguments.bind(method, "width").integer("width", 0));
                yield repeat(
                        new Output(budget).append(sign),
                        "0",
                        missing,
                        text.substring(sign.length()));
            }
            case "expandtabs" ->
                    expandTabs(
                            text, arguments.bind(method, "tabsize").integer("tabsize", 8), budget);
            default -> {
                CallArguments.Bound bound = arguments.bind(method, "width", "fillchar");
                bound.required("width");
                String fill = bound.text("fillchar", " ");
                if (fill.codePointCount(0, fill.length()) != 1) {
                    throw new TemplateException(
                            "the fill character must be exactly one character long");
                }
                long width = bound.integer("width", 0);
                long missing = missing(text, width);
                long before =
                        switch (method) {
                            case "ljust" -> 0;
                            case "rjust" -> missing;
                            default -> missing / 2 + (missing & width & 1);
                        };
                yield fill(text, fill, before, missing - before, budget);
            }
        };
    }

    static String fill(String text, String fill, long before, long after, Budget budget) {
        return repeat(new Output(budget), fill, before, text, after);
    }

    private static String repeat(Output output, String fill, long before, String text) {
        return repeat(output, fill, before, text, 0);
    }

    private static String repeat(Output output, String fill, long before, String text, long after) {
        return output.repeat(fill, before).append(text).repeat(fill, after).toString();
    }

    static long missing(String text, long width) {
        return Math.max(0, width - text.codePointCount(0, text.length()));
    }

    private static String expandTabs(String text, long size, Budget budget) {
        var output = new Output(budget);
        long column = 0;
        for (int at = 0; at < text.length(); ) {
            int character = text.codePointAt(at);
            at += Character.charCount(character);
            if (character == '\t') {
                long blanks = size > 0 ? size - column % size : 0;
                output.repeat(" ", blanks);
                column += blanks;
            } else {
                output.append(Character.toString(character));
                column = character == '\n' || character == '\r' ? 0 : column + 1;
            }
        }
        return output.toString();
    }
}
