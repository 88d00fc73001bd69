/* What a long computation does now and then on behalf of its caller: something short
 * that should not wait for all of it, such as keeping a connection busy.
 *
 * The computation knows nothing of what is done; what is done must not touch what is
 * computed. */
#ifndef VIRGA_INTERLUDE_H
#define VIRGA_INTERLUDE_H 1

struct interlude {
    void (*cb)(void *aux); /* NULL: nothing. */
    void *aux;
};

static inline void
interlude_play(const struct interlude *i)
{
    if (i->cb) {
        i->cb(i->aux);
    }
}

#endif
