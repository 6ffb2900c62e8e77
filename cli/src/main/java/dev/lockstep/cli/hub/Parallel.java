package dev.lockstep.cli.hub;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// The same work for several things at a time. The first failure ends all of it.
final class Parallel {
    private static final long POLL_MILLIS = 100;

    private Parallel() {}

    /// Work for one thing.
    @FunctionalInterface
    interface Work<A, B> {
        B of(A thing) throws IOException, InterruptedException;
    }

    /// Results in the order of the things.
    ///
    /// @param atOnce how many are worked on at the same time
    /// @param meanwhile run now and then by the caller's thread
    static <A, B> List<B> map(List<A> things, int atOnce, Work<A, B> work, Runnable meanwhile)
            throws IOException, InterruptedException {
        ExecutorService threads =
                Executors.newFixedThreadPool(
                        atOnce, Thread.ofPlatform().daemon().name("download-", 0).factory());
        try {
            List<Future<B>> futures = new ArrayList<>();
            for (A thing : things) {
                futures.add(threads.submit(() -> work.of(thing)));
            }
            while (futures.stream().anyMatch(future -> future.state() == Future.State.RUNNING)) {
                requireNoFailure(futures);
                await(futures);
                meanwhile.run();
            }
            requireNoFailure(futures);
            return futures.stream().map(Future::resultNow).toList();
        } finally {
            threads.shutdownNow();
        }
    }

    private static <B> void requireNoFailure(List<Future<B>> futures)
            throws IOException, InterruptedException {
        for (Future<B> future : futures) {
            if (future.state() == Future.State.FAILED) {
                switch (future.exceptionNow()) {
                    case IOException e -> throw e;
                    case InterruptedException e -> throw e;
                    case RuntimeException e -> throw e;
                    case Throwable e -> throw new IllegalStateException(e);
                }
            }
        }
    }

    private static <B> void await(List<Future<B>> futures) throws InterruptedException {
        for (Future<B> future : futures) {
            if (future.state() == Future.State.RUNNING) {
                try {
                    future.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
                } catch (TimeoutException | ExecutionException e) {
                    // Whoever asked looks at all of them now.
                }
                return;
            }
        }
    }
}
