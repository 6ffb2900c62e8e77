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

/// Holds room for each gRPC message before it becomes an object, until it was checked or its call
/// ends. It runs on event loops, so it does not wait: who finds no room is told to come again.
final class RpcWeighing implements ServerInterceptor {
    private static final Context.Key<Held> HELD = Context.key("lockstep-request-memory");

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

    /// The room that a call's messages hold.
    static final class Held {
        private Optional<RequestMemory.Hold> hold = Optional.empty();

        private synchronized void replace(RequestMemory.Hold next) {
            release();
            hold = Optional.of(next);
        }

        /// The message was checked and is held on to no more; harmless a second time.
        synchronized void release() {
            hold.ifPresent(RequestMemory.Hold::close);
        }
    }

    /// What the present call holds.
    static Held held() {
        return HELD.get();
    }

    /// The service behind a weighing.
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
        throw new IllegalStateException(method.getFullMethodName() + " takes no protobuf message");
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        Held held = new Held();
        Descriptor type =
                Objects.requireNonNull(types.get(call.getMethodDescriptor().getFullMethodName()));
        ServerCall.Listener<Q> inner =
                Contexts.interceptCall(
                        Context.current().withValue(HELD, held), call, headers, next);
        return new ForwardingServerCallListener.SimpleForwardingServerCallListener<>(inner) {
            private boolean refused;

            @Override
            public void onMessage(Q message) {
                byte[] bytes = (byte[]) message;
                try {
                    long weight = ProtoWeight.of(bytes, type, memory.most());
                    memory.requireFits(weight, bytes.length);
                    held.replace(memory.hold(weight));
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
                held.release();
                super.onCancel();
            }

            @Override
            public void onComplete() {
                held.release();
                super.onComplete();
            }
        };
    }

    /// Messages as they are sent.
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
