// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// Finding, counting and replacing one text in another.
final class TextSearch {
    private TextSearch() {}

    static String replace(String text, String old, String fresh, long count, Budget budget) {
        long left = count < 0 ? Long.MAX_VALUE : count;
        if (old.isEmpty()) {
            return interleave(text, fresh, left, budget);
        }
        var replaced = new Output(budget);
        var needle = new Needle(old);
        int from = 0;
        int found = needle.in(text, 0);
        while (left > 0 && found >= 0) {
            replaced.append(text.substring(from, found)).append(fresh);
            from = found + old.length();
            found = needle.in(text, from);
            left--;
        }
        return from == 0 ? text : replaced.append(text.substring(from)).toString();
    }

    /// Replaces the empty text, which is found before each character and at the end.
    private static String interleave(String text, String fresh, long count, Budget budget) {
        var result = new Output(budget);
        long left = count;
        for (int at = 0; at < text.length(); at = text.offsetByCodePoints(at, 1)) {
            if (left-- <= 0) {
                return result.append(text.substring(at)).toString();
            }
            result.append(fresh).append(text.substring(at, text.offsetByCodePoints(at, 1)));
        }
        return left > 0 ? result.append(fresh).toString() : result.toString();
    }

    /// Runs `count`, `find`, `rfind`, `index` or `rindex`, within optional bounds.
    static Object find(String text, String method, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind(method, "sub", "start", "end");
        bound.required("sub");
        String wanted = bound.text("sub", "");
        int size = text.codePointCount(0, text.length());
        Slice span =
                Slice.of(
                        bound.value("start", None.NONE),
                        bound.value("end", None.NONE),
                        None.NONE,
                        size);
        boolean beyond =
                Slice.of(bound.value("start", None.NONE), None.NONE, None.NONE, size).count() == 0
                        && bound.integer("start", 0) > size;
        int from = text.offsetByCodePoints(0, (int) span.start());
        String part = text.substring(from, text.offsetByCodePoints(from, (int) span.count()));
        if (method.equals("count")) {
            return beyond ? 0L : count(part, wanted, budget);
        }
        int found =
                method.startsWith("r") ? Needle.last(wanted, part) : new Needle(wanted).in(part, 0);
        if (found < 0 || beyond) {
            if (method.endsWith("index")) {
                throw new TemplateException("substring not found");
            }
            return -1L;
        }
        return (long) text.codePointCount(0, from + found);
    }

    private static long count(String text, String wanted, Budget budget) {
        if (wanted.isEmpty()) {
            return text.codePointCount(0, text.length()) + 1L;
        }
        long count = 0;
        var needle = new Needle(wanted);
        for (int at = needle.in(text, 0); at >= 0; at = needle.in(text, at + wanted.length())) {
            budget.step();
            count++;
        }
        return count;
    }
}
