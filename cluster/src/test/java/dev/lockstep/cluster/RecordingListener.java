package dev.lockstep.cluster;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// Notes what a contender is told.
final class RecordingListener implements Leadership.Listener {

    final List<String> news = new CopyOnWriteArrayList<>();

    @Override
    public void elected() {
        news.add("elected");
    }

    @Override
    public void deposed() {
        news.add("deposed");
    }

    void awaitNews(String... expected) throws InterruptedException {
        Eventually.await(
                () -> List.of(expected) + " but " + news, () -> news.equals(List.of(expected)));
    }
}
