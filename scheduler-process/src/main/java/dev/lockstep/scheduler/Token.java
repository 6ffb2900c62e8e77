package dev.lockstep.scheduler;

import java.util.List;

/// One generated token as the worker reported it; the scheduler reads only its id.
record Token(int id, float logprob, List<TopLogprob> topLogprobs) {
    record TopLogprob(int tokenId, float logprob) {}

    Token {
        topLogprobs = List.copyOf(topLogprobs);
    }

    static Token of(int id) {
        return new Token(id, 0, List.of());
    }
}
