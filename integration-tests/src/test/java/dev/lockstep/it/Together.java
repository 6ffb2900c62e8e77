// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// Many concurrent clients, each on a virtual thread.
final class Together {
    private Together() {}

    /// A client that sends one request.
    @FunctionalInterface
    interface Client<T, R> {
        R send(T request) throws Exception;
    }

    /// Sends all requests at once; returns the results in the order of the requests.
    static <T, R> List<R> map(List<T> requests, Client<T, R> client) throws Exception {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Callable<R>> calls = new ArrayList<>();
            requests.forEach(request -> calls.add(() -> client.send(request)));
            List<R> results = new ArrayList<>();
            for (Future<R> result : threads.invokeAll(calls)) {
                results.add(result.get());
            }
            return results;
        }
    }
}
