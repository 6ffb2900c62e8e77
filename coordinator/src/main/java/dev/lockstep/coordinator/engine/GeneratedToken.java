// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TopLogprob;
import java.util.ArrayList;
import java.util.List;

/// One token that the engine sampled.
///
/// @param logprob meaningless unless log-probabilities were requested
/// @param top the most likely tokens at its position, most likely first
public record GeneratedToken(int id, float logprob, List<TokenLogprob> top) {

    /// A token id and its log-probability.
    public record TokenLogprob(int id, float logprob) {}

    /// The replacement of minus infinity, which JSON cannot express.
    private static final float MIN_LOGPROB = -9999;

    public GeneratedToken {
        top = List.copyOf(top);
    }

    /// Reads the tokens of an event, with log-probabilities where they were requested.
    static List<GeneratedToken> fromProto(GenerateEvent.Tokens event)
            throws InvalidProtocolBufferException {
        int logprobs = event.getLogprobsCount();
        if (logprobs != 0 && logprobs != event.getIdsCount()) {
            throw new InvalidProtocolBufferException(
                    logprobs + " log-probabilities for " + event.getIdsCount() + " tokens");
        }
        List<GeneratedToken> tokens = new ArrayList<>(event.getIdsCount());
        for (int i = 0; i < event.getIdsCount(); i++) {
            tokens.add(
                    logprobs == 0
                            ? new GeneratedToken(event.getIds(i), 0, List.of())
                            : fromProto(Token.parseFrom(event.getLogprobs(i))));
        }
        return tokens;
    }

    public static GeneratedToken fromProto(Token proto) {
        return new GeneratedToken(
                proto.getId(),
                finite(proto.getLogprob()),
                proto.getTopLogprobsList().stream()
                        .map(top -> new TokenLogprob(top.getTokenId(), finite(top.getLogprob())))
                        .toList());
    }

    public Token toProto() {
        Token.Builder proto = Token.newBuilder().setId(id).setLogprob(logprob);
        for (TokenLogprob each : top) {
            proto.addTopLogprobs(
                    TopLogprob.newBuilder().setTokenId(each.id()).setLogprob(each.logprob()));
        }
        return proto.build();
    }

    private static float finite(float logprob) {
        return logprob >= MIN_LOGPROB ? logprob : MIN_LOGPROB;
    }
}
