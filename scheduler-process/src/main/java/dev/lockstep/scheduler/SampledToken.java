package dev.lockstep.scheduler;

import java.util.List;

/// One generated token as the worker reported it; the scheduler reads only its id.
public record SampledToken(int id, float logprob, List<TopLogprob> topLogprobs) {
    public record TopLogprob(int tokenId, float logprob) {}

    public SampledToken {
        topLogprobs = List.copyOf(topLogprobs);
    }

    public static SampledToken of(int id) {
        return new SampledToken(id, 0, List.of());
    }
}
