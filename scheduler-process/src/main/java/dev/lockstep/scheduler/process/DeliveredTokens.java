// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.SampledToken;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The tokens of a choice from its first one on, for a reader that comes later. Guarded by its
/// [RequestStream].
final class DeliveredTokens {
    /// Of one event, which with 20 log-probabilities for each token has 400 KiB.
    private static final int MAX_TOKENS = 1024;

    private final boolean partial;
    private final List<Payload> logprobs = new ArrayList<>();
    private int[] ids;
    private int count;
    private long logprobBytes;
    private GenerateEvent.@Nullable Finished finished;

    /// @param committed tokens that another scheduler had generated
    /// @param logprobs whether each token has log-probabilities
    DeliveredTokens(List<Integer> committed, boolean logprobs) {
        this.partial = logprobs && !committed.isEmpty();
        this.ids = new int[committed.size() + 16];
        committed.forEach(this::add);
    }

    void add(SampledToken token) {
        add(token.id());
        if (token.logprobs().isPresent()) {
            logprobs.add(token.logprobs().get());
            logprobBytes += token.logprobs().get().bytes().length;
        }
    }

    private void add(int id) {
        if (count == ids.length) {
            ids = Arrays.copyOf(ids, count * 2);
        }
        ids[count++] = id;
    }

    void finish(GenerateEvent.Finished end) {
        finished = end;
    }

    /// Returns whether log-probabilities are missing, which another scheduler had sent.
    boolean isPartial() {
        return partial;
    }

    long bytes() {
        return 4L * ids.length + logprobBytes + 32L * logprobs.size();
    }

    /// Returns the events of the choice until now.
    ///
    /// @param first has the fields that the events have in common
    List<GenerateEvent> events(GenerateEvent.Tokens first, int cachedTokens) {
        List<GenerateEvent> events = new ArrayList<>();
        // The first tokens have none if another scheduler sent them; an event has all or none.
        int without = count - logprobs.size();
        int to;
        for (int from = 0; from < count; from = to) {
            to = Math.min(from < without ? without : count, from + MAX_TOKENS);
            GenerateEvent.Tokens.Builder tokens = first.toBuilder().setPosition(from);
            tokens.setCachedTokens(from == 0 ? cachedTokens : 0);
            for (int i = from; i < to; i++) {
                tokens.addIds(ids[i]);
                if (i >= without) {
                    tokens.addLogprobs(Payloads.toProto(logprobs.get(i - without)));
                }
            }
            if (to == count && finished != null) {
                tokens.setFinished(finished);
            }
            events.add(GenerateEvent.newBuilder().setTokens(tokens).build());
        }
        if (count == 0 && finished != null) {
            events.add(GenerateEvent.newBuilder().setFinished(finished).build());
        }
        return events;
    }
}
