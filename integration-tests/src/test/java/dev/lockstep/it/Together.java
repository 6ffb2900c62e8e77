package dev.lockstep.it;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// Many clients at once, one virtual thread each.
final class Together {
    private Together() {}

    /// What a client does with its request.
    @FunctionalInterface
    interface Client<T, R> {
        R ask(T request) throws Exception;
    }

    /// Sends all requests at once; the results come in the order of the requests.
    static <T, R> List<R> map(List<T> requests, Client<T, R> client) throws Exception {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Callable<R>> calls = new ArrayList<>();
            requests.forEach(request -> calls.add(() -> client.ask(request)));
            List<R> results = new ArrayList<>();
            for (Future<R> result : threads.invokeAll(calls)) {
                results.add(result.get());
            }
            return results;
        }
    }
}
