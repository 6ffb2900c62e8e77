// SPDX-License-Identifier: Apache-2.0
/// Resolves a model from a path, a known name, or `org/name` of a hub ([ModelChoice]), and
/// downloads into the cache that the hub's clients share ([Hub]).
@NullMarked
package dev.lockstep.cli.hub;

import org.jspecify.annotations.NullMarked;
