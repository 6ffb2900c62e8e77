// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GroupView;
import dev.lockstep.coordinator.engine.SchedulerClient;
import dev.lockstep.coordinator.journal.Journal;
import dev.lockstep.coordinator.journal.JournalCounts;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/// The metrics of `GET /metrics`, in Prometheus's text format: those that the groups last reported,
/// and the counts of this coordinator.
///
/// Counters of a group restart with its scheduler, as counters of processes do. With several
/// coordinators each reports the same for a group: use one of them, or the maximum.
final class Metrics {
    static final String CONTENT_TYPE = PrometheusTextFormatWriter.CONTENT_TYPE;

    private final PrometheusTextFormatWriter writer = PrometheusTextFormatWriter.create();
    private final SchedulerClient schedulers;
    private final OpenRequests requests;

    /// Few entries, because the coordinator itself chooses the statuses.
    private final Map<Integer, LongAdder> endedByStatus = new ConcurrentHashMap<>();

    private final LongAdder resumed = new LongAdder();
    private final Optional<Journal> journal;

    Metrics(SchedulerClient schedulers, OpenRequests requests, Optional<Journal> journal) {
        this.journal = journal;
        this.schedulers = schedulers;
        this.requests = requests;
    }

    /// Counts a request that has ended; safe for any thread.
    ///
    /// @param status its HTTP status; over gRPC the one that it would have over HTTP
    void countRequest(int status) {
        endedByStatus.computeIfAbsent(status, _ -> new LongAdder()).increment();
    }

    /// Counts a response that goes on for a reader that has come back; safe for any thread.
    void countResumed() {
        resumed.increment();
    }

    byte[] text() {
        List<MetricSnapshot> all = new ArrayList<>();
        Collection<GroupView> groups = GroupView.byGroup(schedulers.groups());
        for (GroupMetric metric : GroupMetric.ALL) {
            Map<Labels, Double> values = new TreeMap<>();
            groups.forEach(
                    group ->
                            values.put(
                                    Labels.of("group", group.status().getGroup()),
                                    metric.value().applyAsDouble(group)));
            all.add(
                    switch (metric.kind()) {
                        case COUNTER -> counter(metric.name(), metric.help(), values);
                        case GAUGE -> gauge(metric.name(), metric.help(), values);
                    });
        }
        Map<Labels, Double> ended = new TreeMap<>();
        endedByStatus.forEach(
                (status, count) ->
                        ended.put(
                                Labels.of("status", Integer.toString(status)),
                                count.doubleValue()));
        all.add(
                counter(
                        "lockstep_requests",
                        "Requests with a body that have ended, by HTTP status",
                        ended));
        all.add(
                counter(
                        "lockstep_requests_resumed",
                        "Requests that went on with the response of an earlier one",
                        Map.of(Labels.EMPTY, resumed.doubleValue())));
        all.add(
                gauge(
                        "lockstep_requests_open",
                        "Requests that this coordinator is processing",
                        Map.of(Labels.EMPTY, (double) requests.count())));
        journal.map(Journal::counts).ifPresent(counts -> add(counts, all));
        return text(new MetricSnapshots(all));
    }

    private static void add(JournalCounts counts, List<MetricSnapshot> to) {
        to.add(
                counter(
                        "lockstep_journal_records",
                        "Records that were written to the journal",
                        Map.of(Labels.EMPTY, (double) counts.records())));
        to.add(
                counter(
                        "lockstep_journal_commits",
                        "Writes to the journal that waited for the disk",
                        Map.of(Labels.EMPTY, (double) counts.commits())));
        to.add(
                counter(
                        "lockstep_journal_bytes",
                        "Bytes that were written to the journal",
                        Map.of(Labels.EMPTY, (double) counts.bytes())));
        to.add(
                counter(
                        "lockstep_journal_recovered",
                        "Requests in the journal that had not ended when this coordinator started",
                        Map.of(Labels.EMPTY, (double) counts.recovered())));
    }

    private byte[] text(MetricSnapshots snapshots) {
        var out = new ByteArrayOutputStream();
        try {
            writer.write(out, snapshots);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    private static MetricSnapshot counter(String name, String help, Map<Labels, Double> values) {
        CounterSnapshot.Builder builder = CounterSnapshot.builder().name(name).help(help);
        values.forEach(
                (labels, value) ->
                        builder.dataPoint(
                                CounterSnapshot.CounterDataPointSnapshot.builder()
                                        .labels(labels)
                                        .value(value)
                                        .build()));
        return builder.build();
    }

    private static MetricSnapshot gauge(String name, String help, Map<Labels, Double> values) {
        GaugeSnapshot.Builder builder = GaugeSnapshot.builder().name(name).help(help);
        values.forEach(
                (labels, value) ->
                        builder.dataPoint(
                                GaugeSnapshot.GaugeDataPointSnapshot.builder()
                                        .labels(labels)
                                        .value(value)
                                        .build()));
        return builder.build();
    }
}
