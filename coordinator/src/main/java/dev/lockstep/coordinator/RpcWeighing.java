// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Message;
import io.grpc.BindableService;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/// Reserves memory for each gRPC message before it is parsed, until it was checked or its call
/// ends. It runs on event loops, so it does not block: if there is no memory, the call fails and
/// can be retried.
final class RpcWeighing implements ServerInterceptor {
    private static final Context.Key<CallMemory> MEMORY = Context.key("lockstep-request-memory");

    private final RequestMemory memory;
    private final Map<String, Descriptor> types = new HashMap<>();

    private RpcWeighing(RequestMemory memory, ServerServiceDefinition service) {
        this.memory = memory;
        service.getMethods()
                .forEach(
                        method -> {
                            MethodDescriptor<?, ?> descriptor = method.getMethodDescriptor();
                            types.put(descriptor.getFullMethodName(), requestType(descriptor));
                        });
    }

    /// The memory reserved for the messages of a call.
    static final class CallMemory {
        private final RequestMemory memory;
        private Optional<RequestMemory.Reservation> reservation = Optional.empty();

        private CallMemory(RequestMemory memory) {
            this.memory = memory;
        }

        /// Reserves the memory of a message in place of that of the one before.
        ///
        /// @throws ApiError if it needs too much, or there is none now
        synchronized void reserve(byte[] message, Descriptor type) {
            long weight = ProtoWeight.of(message, type, memory.capacity());
            memory.requireFits(weight, message.length);
            release();
            reservation = Optional.of(memory.reserve(weight));
        }

        /// Releases the memory once the message was checked and is no longer referenced; a second
        /// call has no effect.
        synchronized void release() {
            reservation.ifPresent(RequestMemory.Reservation::close);
        }
    }

    /// Returns the memory of the current call.
    static CallMemory currentMemory() {
        return MEMORY.get();
    }

    /// Returns the service with this interceptor in front of it.
    static ServerServiceDefinition of(BindableService service, RequestMemory memory) {
        ServerServiceDefinition bound = service.bindService();
        return ServerInterceptors.intercept(
                ServerInterceptors.useMarshalledMessages(bound, new Bytes()),
                new RpcWeighing(memory, bound));
    }

    private static Descriptor requestType(MethodDescriptor<?, ?> method) {
        if (method.getRequestMarshaller() instanceof MethodDescriptor.PrototypeMarshaller<?> proto
                && proto.getMessagePrototype() instanceof Message message) {
            return message.getDescriptorForType();
        }
        throw new IllegalStateException(
                method.getFullMethodName() + " does not accept a protobuf message");
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        var callMemory = new CallMemory(memory);
        Descriptor type =
                Objects.requireNonNull(types.get(call.getMethodDescriptor().getFullMethodName()));
        ServerCall.Listener<Q> inner =
                Contexts.interceptCall(
                        Context.current().withValue(MEMORY, callMemory), call, headers, next);
        return new ForwardingServerCallListener.SimpleForwardingServerCallListener<>(inner) {
            private boolean refused;

            @Override
            public void onMessage(Q message) {
                var bytes = (byte[]) message;
                try {
                    callMemory.reserve(bytes, type);
                } catch (ApiError e) {
                    refused = true;
                    StatusRuntimeException refusal = RpcResponse.status(e);
                    call.close(
                            refusal.getStatus(),
                            Objects.requireNonNullElseGet(refusal.getTrailers(), Metadata::new));
                    return;
                }
                super.onMessage(message);
            }

            @Override
            public void onHalfClose() {
                if (!refused) {
                    super.onHalfClose();
                }
            }

            @Override
            public void onCancel() {
                callMemory.release();
                super.onCancel();
            }

            @Override
            public void onComplete() {
                callMemory.release();
                super.onComplete();
            }
        };
    }

    /// Passes messages as serialized bytes.
    private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
        @Override
        public InputStream stream(byte[] message) {
            return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream stream) {
            try {
                return stream.readAllBytes();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
