// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

/// Writes text as the inside of a JSON string.
final class JsonText {
    private JsonText() {}

    static String quoted(String text) {
        return '"' + escaped(text) + '"';
    }

    static String escaped(CharSequence text) {
        var json = new StringBuilder(text.length() + 16);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> json.append("\\\"");
                case '\\' -> json.append("\\\\");
                case '\n' -> json.append("\\n");
                case '\r' -> json.append("\\r");
                case '\t' -> json.append("\\t");
                default -> {
                    if (c < ' ') {
                        json.append("\\u%04x".formatted((int) c));
                    } else {
                        json.append(c);
                    }
                }
            }
        }
        return json.toString();
    }
}
