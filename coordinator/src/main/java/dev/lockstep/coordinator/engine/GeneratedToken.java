package dev.lockstep.coordinator.engine;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TopLogprob;
import java.util.ArrayList;
import java.util.List;

/// One token as the engine chose it.
///
/// @param logprob meaningless unless log-probabilities were asked for
/// @param top the most likely tokens at its place, most likely first
public record GeneratedToken(int id, float logprob, List<Likely> top) {

    /// A token that could have been.
    public record Likely(int id, float logprob) {}

    /// What minus infinity becomes, which JSON cannot say.
    private static final float LEAST_LOGPROB = -9999;

    public GeneratedToken {
        top = List.copyOf(top);
    }

    /// Reads the tokens of an event, with log-probabilities where they were requested.
    static List<GeneratedToken> fromProto(GenerateEvent.Tokens event)
            throws InvalidProtocolBufferException {
        List<GeneratedToken> tokens = new ArrayList<>(event.getIdsCount());
        for (int i = 0; i < event.getIdsCount(); i++) {
            tokens.add(
                    event.getLogprobsCount() == 0
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
                        .map(top -> new Likely(top.getTokenId(), finite(top.getLogprob())))
                        .toList());
    }

    public Token toProto() {
        Token.Builder proto = Token.newBuilder().setId(id).setLogprob(logprob);
        for (Likely likely : top) {
            proto.addTopLogprobs(
                    TopLogprob.newBuilder().setTokenId(likely.id()).setLogprob(likely.logprob()));
        }
        return proto.build();
    }

    private static float finite(float logprob) {
        return logprob >= LEAST_LOGPROB ? logprob : LEAST_LOGPROB;
    }
}
