// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.ByteString;
import dev.lockstep.proto.v1.ThinkingBudget;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.tools.ReasoningFormat;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// How a model's thinking is closed for it: as its chat template writes the end of thinking.
///
/// @param closingIds the tokens of the closing marker and the white space around it
record ThinkingMarkers(ReasoningFormat format, List<Integer> closingIds) {
    /// Keeps a tokenizer from putting a space before the text that follows.
    private static final String LINE_FEED = "\n";

    ThinkingMarkers {
        closingIds = List.copyOf(closingIds);
    }

    /// Returns the markers of a format; empty if the tokenizer cannot write the closing one.
    static Optional<ThinkingMarkers> of(ReasoningFormat format, Tokenizer tokenizer) {
        int[] alone = encode(tokenizer, format.closing());
        int[] behind = encode(tokenizer, LINE_FEED + format.closing());
        int[] begin = encode(tokenizer, LINE_FEED);
        int[] rest =
                Arrays.copyOfRange(behind, Math.min(begin.length, behind.length), behind.length);
        return List.of(alone, rest).stream()
                .filter(ids -> spells(tokenizer, ids, format.closing()))
                .map(ids -> Arrays.stream(ids).boxed().toList())
                .map(ids -> new ThinkingMarkers(format, ids))
                .findFirst();
    }

    private static int[] encode(Tokenizer tokenizer, String text) {
        return tokenizer.encode(text, new EncodeOptions(true, false));
    }

    private static boolean spells(Tokenizer tokenizer, int[] ids, String text) {
        ByteString all = ByteString.EMPTY;
        for (int id : ids) {
            all = all.concat(ByteString.copyFrom(tokenizer.bytes(id)));
        }
        return ids.length > 0 && all.equals(ByteString.copyFromUtf8(text));
    }

    /// Returns the budget of an answer to this prompt; empty if the prompt closed the thinking.
    Optional<ThinkingBudget> budget(int tokens, String prompt) {
        boolean opened = format.isOpenedBy(prompt);
        if (!opened && format.isClosedBy(prompt)) {
            return Optional.empty();
        }
        return Optional.of(
                ThinkingBudget.newBuilder()
                        .setTokens(tokens)
                        .setOpened(opened)
                        .setOpening(marker(format.opening()))
                        .setClosing(marker(format.closing()))
                        .addAllClosingIds(closingIds)
                        .build());
    }

    private static ByteString marker(String text) {
        return ByteString.copyFrom(text.strip(), StandardCharsets.UTF_8);
    }
}
