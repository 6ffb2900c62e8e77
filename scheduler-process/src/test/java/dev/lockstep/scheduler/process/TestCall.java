// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.GenerateEvent;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/// The events of a call, and its end.
final class TestCall implements StreamObserver<GenerateEvent> {
    final Map<Integer, List<Integer>> ids = new HashMap<>();
    final Map<Integer, GenerateEvent.Finished> ends = new HashMap<>();
    final CompletableFuture<TestCall> done = new CompletableFuture<>();

    @Override
    public synchronized void onNext(GenerateEvent event) {
        if (event.hasFinished()) {
            ends.put(event.getFinished().getChoice(), event.getFinished());
            return;
        }
        if (event.hasOutputs() || event.hasAccepted()) {
            return;
        }
        GenerateEvent.Tokens tokens = event.getTokens();
        List<Integer> known = ids.computeIfAbsent(tokens.getChoice(), _ -> new ArrayList<>());
        if (known.size() != tokens.getPosition() || ends.containsKey(tokens.getChoice())) {
            done.completeExceptionally(new AssertionError("position of " + tokens));
        }
        known.addAll(tokens.getIdsList());
        if (tokens.hasFinished()) {
            ends.put(tokens.getChoice(), tokens.getFinished());
        }
    }

    /// Begins with what an earlier call received of a choice.
    synchronized TestCall after(int choice, List<Integer> committed) {
        ids.put(choice, new ArrayList<>(committed));
        return this;
    }

    @Override
    public void onError(Throwable failure) {
        done.completeExceptionally(failure);
    }

    @Override
    public void onCompleted() {
        done.complete(this);
    }

    TestCall await() throws Exception {
        return done.get(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS);
    }

    synchronized GenerateEvent.Finished end(int choice) {
        return requireNonNull(ends.get(choice));
    }

    synchronized int received() {
        return ids.values().stream().mapToInt(List::size).sum();
    }

    /// Waits until the call has failed, and returns how.
    StatusRuntimeException failure() {
        ExecutionException failure = assertThrows(ExecutionException.class, this::await);
        return assertInstanceOf(StatusRuntimeException.class, failure.getCause());
    }

    /// Waits until the call has failed with this code and a description that has all of `named`.
    void assertFails(Status.Code code, String... named) {
        Status status = failure().getStatus();
        assertEquals(code, status.getCode(), status.toString());
        for (String name : named) {
            assertTrue(String.valueOf(status.getDescription()).contains(name), status.toString());
        }
    }
}
