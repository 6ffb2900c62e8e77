// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;

/// Runs the work of a gRPC call with one response message, and ends the call in every case.
final class UnaryResponse {
    /// Returns the message, or throws an [ApiError]; may block.
    @FunctionalInterface
    interface Work<T> {
        T run() throws InterruptedException;
    }

    private UnaryResponse() {}

    /// Returns the status that the HTTP API would have sent.
    static <T> int send(StreamObserver<T> observer, Work<T> work) {
        T message;
        try {
            message = work.run();
        } catch (ApiError e) {
            return refuse(observer, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            observer.onError(Status.CANCELLED.asRuntimeException());
            return 500;
        } catch (RuntimeException | StackOverflowError e) {
            return refuse(observer, RequestFault.logged("a gRPC request", e));
        }
        try {
            observer.onNext(message);
            observer.onCompleted();
        } catch (StatusRuntimeException e) {
            // The client has cancelled the call.
            return ApiError.clientDisconnected().status();
        }
        return 200;
    }

    private static int refuse(StreamObserver<?> observer, ApiError error) {
        observer.onError(RpcResponse.status(error));
        return error.status();
    }
}
