package dev.lockstep.scheduler;

import java.util.List;

/// One generated token as the worker reported it; the scheduler reads only its id.
public record Token(int id, float logprob, List<TopLogprob> topLogprobs) {
    public record TopLogprob(int tokenId, float logprob) {}

    public Token {
        topLogprobs = List.copyOf(topLogprobs);
    }

    public static Token of(int id) {
        return new Token(id, 0, List.of());
    }
}
