package hub_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/hub"
)

func ExampleHub_Fetch() {
	cache, err := os.UserCacheDir()
	if err != nil {
		log.Fatal(err)
	}
	folder, err := hub.Hub{Cache: cache, Parts: []string{"test"}}.Fetch(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	cs, report, err := data.Load(folder, data.Options{Tranches: []string{"harmless-base"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(cs), report)
}
