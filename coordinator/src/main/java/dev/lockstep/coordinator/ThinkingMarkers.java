// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.ByteString;
import dev.lockstep.proto.v1.ThinkingBudget;
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
    ThinkingMarkers {
        closingIds = List.copyOf(closingIds);
    }

    /// Returns the markers of a format; empty if the tokenizer cannot write the closing one.
    static Optional<ThinkingMarkers> of(ReasoningFormat format, Tokenizer tokenizer) {
        return ExactText.ids(tokenizer, format.closing(), true)
                .map(ids -> new ThinkingMarkers(format, Arrays.stream(ids).boxed().toList()));
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
