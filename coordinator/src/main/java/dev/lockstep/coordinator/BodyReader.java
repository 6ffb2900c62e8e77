// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.HttpData;
import com.linecorp.armeria.common.HttpObject;
import com.linecorp.armeria.common.HttpRequest;
import java.io.ByteArrayOutputStream;
import java.util.concurrent.CompletableFuture;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Subscriber;
import org.reactivestreams.Subscription;

/// Collects the body of a request piece by piece, on the connection's event loop. The library's own
/// aggregation shows the pieces only when the last one has arrived, so it cannot be bounded.
///
/// After a refusal it goes on reading, up to a limit, and throws the pieces away: a client that is
/// still sending would take an early response for a broken stream.
final class BodyReader implements Subscriber<HttpObject> {
    private final HttpRequest request;
    private final IntConsumer admit;
    private final long maxUnused;
    private final CompletableFuture<byte[]> body = new CompletableFuture<>();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private long unused;

    @Nullable private Subscription subscription;

    private BodyReader(HttpRequest request, IntConsumer admit, long maxUnused) {
        this.request = request;
        this.admit = admit;
        this.maxUnused = maxUnused;
    }

    /// Starts to read.
    ///
    /// @param admit receives the length of each piece; throws an [ApiError], with which the result
    ///   then ends, to refuse the body
    /// @param maxUnused bytes that are read after a refusal
    static CompletableFuture<byte[]> read(HttpRequest request, IntConsumer admit, long maxUnused) {
        var reader = new BodyReader(request, admit, maxUnused);
        request.subscribe(reader);
        return reader.body;
    }

    @Override
    public void onSubscribe(Subscription begun) {
        subscription = begun;
        begun.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(HttpObject piece) {
        if (!(piece instanceof HttpData data)) {
            return;
        }
        try (data) {
            if (body.isDone()) {
                discard(data.length());
                return;
            }
            admit.accept(data.length());
            bytes.writeBytes(data.array());
        } catch (ApiError e) {
            body.completeExceptionally(e);
            bytes.reset();
        }
    }

    private void discard(int length) {
        unused += length;
        if (unused > maxUnused && subscription != null) {
            subscription.cancel();
            request.abort();
        }
    }

    @Override
    public void onError(Throwable failure) {
        body.completeExceptionally(failure);
    }

    @Override
    public void onComplete() {
        body.complete(bytes.toByteArray());
    }
}
