// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class UnaryResponseTest {
    private static final String LOGGED = "the request failed; the coordinator's log says why";

    private final List<String> received = new ArrayList<>();

    private final StreamObserver<String> observer =
            new StreamObserver<>() {
                @Override
                public void onNext(String message) {
                    received.add(message);
                }

                @Override
                public void onError(Throwable failure) {
                    Status status = Status.fromThrowable(failure);
                    received.add(status.getCode() + ": " + status.getDescription());
                }

                @Override
                public void onCompleted() {
                    received.add("end");
                }
            };

    @Test
    void aMessageEndsTheCall() {
        assertEquals(200, UnaryResponse.send(observer, () -> "message"));
        assertEquals(List.of("message", "end"), received);
    }

    @Test
    void everyFailureEndsTheCall() {
        assertEquals(
                400,
                UnaryResponse.send(
                        observer,
                        () -> {
                            throw ApiError.invalid("n", "n is wrong");
                        }));
        assertEquals(
                500,
                UnaryResponse.send(
                        observer,
                        () -> {
                            throw new IllegalStateException("secret");
                        }));
        assertEquals(500, UnaryResponse.send(observer, () -> endless("secret")));
        assertEquals(
                List.of(
                        "INVALID_ARGUMENT: n is wrong",
                        "INTERNAL: " + LOGGED,
                        "INTERNAL: " + LOGGED),
                received);
    }

    @Test
    void anInterruptCancelsTheCall() {
        UnaryResponse.send(
                observer,
                () -> {
                    throw new InterruptedException();
                });
        assertTrue(Thread.interrupted());
        assertEquals(List.of("CANCELLED: null"), received);
    }

    @SuppressWarnings("InfiniteRecursion")
    private static String endless(String text) {
        return endless(text) + text;
    }
}
