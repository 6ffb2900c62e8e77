// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The proof of the cluster's secret on every call between processes: without it no handler runs.
///
/// It is made for the incarnation that is called, so a process that it was sent to cannot use it
/// elsewhere, and a call that reaches another process than the announced one is refused.
record CallProof(byte[] proof) implements ClientInterceptor, ServerInterceptor {
    private static final Metadata.Key<byte[]> KEY =
            Metadata.Key.of("lockstep-proof-bin", Metadata.BINARY_BYTE_MARSHALLER);
    private static final Duration LOG_PAUSE = Duration.ofSeconds(10);
    private static final Logger LOG = LogManager.getLogger(CallProof.class);
    private static final AtomicLong NEXT_LOG_NANOS = new AtomicLong(System.nanoTime());

    static CallProof of(ClusterSecret secret, String incarnation) {
        return new CallProof(secret.proof("call " + incarnation));
    }

    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(
            MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
        return new ForwardingClientCall.SimpleForwardingClientCall<>(
                next.newCall(method, options)) {
            @Override
            public void start(Listener<R> listener, Metadata headers) {
                headers.put(KEY, proof);
                super.start(listener, headers);
            }
        };
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
        byte[] given = headers.get(KEY);
        // Compared in constant time.
        if (given != null && MessageDigest.isEqual(given, proof)) {
            return next.startCall(call, headers);
        }
        String reason =
                given == null
                        ? "a call without proof of the cluster's secret"
                        : "a call with proof of another secret, or for another process";
        log(reason, call);
        call.close(
                Status.UNAUTHENTICATED.withDescription(
                        reason + "; processes of one cluster have the same --cluster-secret-file"),
                new Metadata());
        return new ServerCall.Listener<>() {};
    }

    /// Logs at most one refusal in ten seconds: anyone who can connect can cause them.
    private static void log(String reason, ServerCall<?, ?> call) {
        long now = System.nanoTime();
        long next = NEXT_LOG_NANOS.get();
        if (now - next >= 0 && NEXT_LOG_NANOS.compareAndSet(next, now + LOG_PAUSE.toNanos())) {
            LOG.warn("refused {}: {}", reason, call.getMethodDescriptor().getFullMethodName());
        }
    }
}
