package dev.lockstep.coordinator;

import com.linecorp.armeria.common.AggregatedHttpRequest;
import com.linecorp.armeria.common.HttpRequest;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/// Reads a request's body whole, up to a limit. The limit is ours and not the server's, so that the
/// client gets the error object.
final class RequestBody {
    private final int mostBytes;
    private final Duration patience;

    RequestBody(int mostBytes, Duration patience) {
        this.mostBytes = mostBytes;
        this.patience = patience;
    }

    /// Waits for the body on the calling thread.
    byte[] read(HttpRequest request) throws InterruptedException {
        if (request.headers().contentLength() > mostBytes) {
            throw tooLarge(Long.toString(request.headers().contentLength()));
        }
        AtomicLong seen = new AtomicLong();
        try {
            AggregatedHttpRequest whole =
                    request.mapData(
                                    data -> {
                                        if (seen.addAndGet(data.length()) > mostBytes) {
                                            data.close();
                                            throw tooLarge("more than " + mostBytes);
                                        }
                                        return data;
                                    })
                            .aggregate()
                            .get(patience.toNanos(), TimeUnit.NANOSECONDS);
            return whole.content().array();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ApiError error) {
                throw error;
            }
            throw ApiError.refused(400, "broken_body", "the body broke off");
        } catch (TimeoutException e) {
            request.abort();
            throw ApiError.refused(
                    408,
                    "slow_body",
                    "the body did not arrive within " + patience.toSeconds() + " s");
        }
    }

    private ApiError tooLarge(String size) {
        return ApiError.refused(
                413,
                "body_too_large",
                "the body has " + size + " bytes, at most " + mostBytes + " are read");
    }
}
