// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/// Whether and where an input that is longer than the model reads is cut: `truncate` and
/// `truncation_direction`. The tokens that the tokenizer puts around a text stay.
enum TextCut {
    /// A long input is refused.
    NONE,
    /// The beginning is kept.
    END,
    /// The end is kept.
    START;

    private static final String FIELD = "truncate";
    private static final String DIRECTION = "truncation_direction";

    /// Reads `true`, `false`, or the side of Cohere's and of NVIDIA's API.
    static TextCut parse(Fields fields) {
        Optional<String> direction = fields.text(DIRECTION);
        if (direction.isPresent() && !direction.get().matches("(?i)left|right")) {
            throw Fields.outside(DIRECTION, fields.value(DIRECTION), "{left, right}");
        }
        JsonNode value = fields.value(FIELD);
        if (!value.isTextual()) {
            boolean left = direction.filter(each -> each.equalsIgnoreCase("left")).isPresent();
            return fields.flag(FIELD, false) ? left ? START : END : NONE;
        }
        return switch (value.textValue().toUpperCase(Locale.ROOT)) {
            case "NONE" -> NONE;
            case "END" -> END;
            case "START" -> START;
            default -> throw Fields.outside(FIELD, value, "{true, false, NONE, END, START}");
        };
    }

    /// Returns at most `limit` ids of a text.
    ///
    /// @param content the ids of the text alone, which are among `ids`
    int[] of(int[] ids, int[] content, int limit) {
        if (this == NONE || ids.length <= limit) {
            return ids;
        }
        int begin = begin(ids, content);
        int around = ids.length - content.length;
        int kept = limit - around;
        if (begin < 0 || kept < 1) {
            return this == END
                    ? Arrays.copyOf(ids, limit)
                    : Arrays.copyOfRange(ids, ids.length - limit, ids.length);
        }
        int[] cut = new int[limit];
        int from = this == END ? 0 : content.length - kept;
        System.arraycopy(ids, 0, cut, 0, begin);
        System.arraycopy(content, from, cut, begin, kept);
        System.arraycopy(ids, begin + content.length, cut, begin + kept, around - begin);
        return cut;
    }

    private static int begin(int[] ids, int[] content) {
        for (int begin = 0; begin + content.length <= ids.length; begin++) {
            if (Arrays.equals(ids, begin, begin + content.length, content, 0, content.length)) {
                return begin;
            }
        }
        return -1;
    }
}
